# Packs the program and makes its installer on Windows:  powershell -File packaging\windows\build.ps1 [-Without NAMES]
# Needs .venv with requirements-dev.lock, and Inno Setup 6. Not tried on Windows yet.
# -SignCommand signs; in it $f stands for the file and $q for a quotation mark, as Inno Setup has it:
#   -SignCommand 'signtool sign /fd sha256 /tr http://timestamp.example /td sha256 /n $qYour Name$q $f'
param([string[]] $Without = @(), [string] $SignCommand = "")
$ErrorActionPreference = "Stop"
Set-Location (Join-Path $PSScriptRoot "..\..")
$python = ".venv\Scripts\python.exe"

# Found before anything is packed: its installer does not put it on the path.
$compiler = Get-Command iscc -ErrorAction SilentlyContinue | Select-Object -ExpandProperty Source
if (-not $compiler) { $compiler = Join-Path ${env:ProgramFiles(x86)} "Inno Setup 6\ISCC.exe" }
if (-not (Test-Path $compiler)) {
    [Console]::Error.WriteLine("build: Inno Setup 6 is not here; install it, then run this again.")
    exit 3
}

$words = @("packaging\freeze.py")
if ($Without.Count -gt 0) { $words += "--without"; $words += $Without }
& $python @words
if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }

if ($SignCommand) {
    foreach ($program in "proctor.exe", "open-proctor.exe") {
        $filled = $SignCommand.Replace('$f', "build\frozen\open-proctor\$program").Replace('$q', '"')
        Invoke-Expression "& $filled"
        if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }
    }
}

$version = & $python -c "from importlib.metadata import version; print(version('open-proctor'))"
$options = @("/Q", "/DVersion=$version")
if ($SignCommand) { $options += "/Ssign=$SignCommand"; $options += "/DSign" }
& $compiler @options packaging\windows\open-proctor.iss
exit $LASTEXITCODE
