; The installer for Windows, with Inno Setup 6:  iscc /DVersion=1.2.3 packaging\windows\open-proctor.iss
; Packs what packaging\freeze.py made. For one user, without administrator, unless an administrator runs it for all.
; Not tried on Windows yet; tests/unit/test_packaging_recipes.py checks what can be checked elsewhere.

#ifndef Version
  #error Give the version: iscc /DVersion=1.2.3 ...
#endif
#define Root SourcePath + "..\.."

[Setup]
AppId={{7C0B6B5E-3D5E-4E0B-9E63-52B0C3F0A9D1}
AppName=Open Proctor
AppVersion={#Version}
AppPublisher=The Open Proctor developers
AppPublisherURL=https://open-proctor.example/
DefaultDirName={autopf}\Open Proctor
DefaultGroupName=Open Proctor
DisableProgramGroupPage=yes
PrivilegesRequired=lowest
PrivilegesRequiredOverridesAllowed=dialog commandline
ArchitecturesAllowed=x64compatible
ArchitecturesInstallIn64BitMode=x64compatible
MinVersion=10.0.17763
Compression=lzma2/max
SolidCompression=yes
OutputDir={#Root}\dist
OutputBaseFilename=Open_Proctor-{#Version}-setup
SetupIconFile={#Root}\build\stage\icons\open-proctor.ico
UninstallDisplayIcon={app}\open-proctor.exe
UninstallDisplayName=Open Proctor
ChangesAssociations=yes
ChangesEnvironment=yes
CloseApplications=yes
; Signs the installer and the uninstaller where a signing tool is set up:  iscc /Ssign="signtool sign ... $f" /DSign
#ifdef Sign
SignTool=sign
SignedUninstaller=yes
#endif

[Languages]
Name: "en"; MessagesFile: "compiler:Default.isl"
Name: "de"; MessagesFile: "compiler:Languages\German.isl"
Name: "fr"; MessagesFile: "compiler:Languages\French.isl"
Name: "es"; MessagesFile: "compiler:Languages\Spanish.isl"
Name: "nl"; MessagesFile: "compiler:Languages\Dutch.isl"

[CustomMessages]
en.Kept=Your exams stay in %1. Remove that folder yourself if you no longer need them.
de.Kept=Deine Prüfungen bleiben in %1. Lösche diesen Ordner selbst, wenn du sie nicht mehr brauchst.
fr.Kept=Vos examens restent dans %1. Supprimez ce dossier vous-même si vous n'en avez plus besoin.
es.Kept=Tus exámenes se quedan en %1. Borra esa carpeta si ya no los necesitas.
nl.Kept=Je examens blijven in %1. Verwijder die map zelf als je ze niet meer nodig hebt.
en.Path=Let the command "proctor" be found in terminals
de.Path=Den Befehl „proctor“ in Terminals auffindbar machen
fr.Path=Rendre la commande « proctor » accessible dans les terminaux
es.Path=Hacer que la orden «proctor» se encuentre en las terminales
nl.Path=De opdracht "proctor" in terminals vindbaar maken

[Tasks]
Name: "path"; Description: "{cm:Path}"; Flags: unchecked

[Files]
Source: "{#Root}\build\frozen\open-proctor\*"; DestDir: "{app}"; Flags: ignoreversion recursesubdirs createallsubdirs

[Icons]
Name: "{group}\Open Proctor"; Filename: "{app}\open-proctor.exe"

[Registry]
Root: HKA; Subkey: "Software\Classes\.proctor"; ValueType: string; ValueData: "OpenProctor.Invitation"; Flags: uninsdeletevalue
Root: HKA; Subkey: "Software\Classes\OpenProctor.Invitation"; ValueType: string; ValueData: "Invitation to an exam"; Flags: uninsdeletekey
Root: HKA; Subkey: "Software\Classes\OpenProctor.Invitation\DefaultIcon"; ValueType: string; ValueData: "{app}\open-proctor.exe,0"
Root: HKA; Subkey: "Software\Classes\OpenProctor.Invitation\shell\open\command"; ValueType: string; ValueData: """{app}\open-proctor.exe"" ""%1"""
Root: HKA; Subkey: "Software\Classes\open-proctor"; ValueType: string; ValueData: "URL:Open Proctor"; Flags: uninsdeletekey
Root: HKA; Subkey: "Software\Classes\open-proctor"; ValueType: string; ValueName: "URL Protocol"; ValueData: ""
Root: HKA; Subkey: "Software\Classes\open-proctor\shell\open\command"; ValueType: string; ValueData: """{app}\open-proctor.exe"" ""%1"""

[Run]
Filename: "{app}\open-proctor.exe"; Description: "{cm:LaunchProgram,Open Proctor}"; Flags: nowait postinstall skipifsilent

[Code]
{ Where the Path stands: the user's own, or everybody's where an administrator installs for all. }
function PathRoot: Integer;
begin
  if IsAdminInstallMode then Result := HKLM else Result := HKCU;
end;

function PathKey: string;
begin
  if IsAdminInstallMode then
    Result := 'SYSTEM\CurrentControlSet\Control\Session Manager\Environment'
  else
    Result := 'Environment';
end;

{ A Path without our folder. }
function WithoutOurs(Value: string): string;
var
  Ours: string;
  At: Integer;
begin
  Result := ';' + Value + ';';
  Ours := ';' + ExpandConstant('{app}') + ';';
  At := Pos(Lowercase(Ours), Lowercase(Result));
  if At > 0 then
    Delete(Result, At, Length(Ours) - 1);
  Result := Copy(Result, 2, Length(Result) - 2);
end;

procedure CurStepChanged(CurStep: TSetupStep);
var
  Value: string;
begin
  if (CurStep = ssPostInstall) and WizardIsTaskSelected('path') then begin
    if not RegQueryStringValue(PathRoot, PathKey, 'Path', Value) then
      Value := '';
    Value := WithoutOurs(Value);
    if Value <> '' then
      Value := Value + ';';
    RegWriteExpandStringValue(PathRoot, PathKey, 'Path', Value + ExpandConstant('{app}'));
  end;
end;

procedure CurUninstallStepChanged(CurUninstallStep: TUninstallStep);
var
  Value: string;
begin
  if CurUninstallStep = usPostUninstall then begin
    if RegQueryStringValue(PathRoot, PathKey, 'Path', Value) and (WithoutOurs(Value) <> Value) then
      RegWriteExpandStringValue(PathRoot, PathKey, 'Path', WithoutOurs(Value));
    if not UninstallSilent and DirExists(ExpandConstant('{localappdata}\open-proctor')) then
      MsgBox(FmtMessage(CustomMessage('Kept'), [ExpandConstant('{localappdata}\open-proctor')]), mbInformation, MB_OK);
  end;
end;
