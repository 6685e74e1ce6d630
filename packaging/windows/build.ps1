# Packs the program and makes its installer on Windows:  powershell -File packaging\windows\build.ps1 [-Without NAMES]
# Needs .venv with requirements-dev.lock, and Inno Setup 6 (iscc) on the path. Not tried on Windows yet.
param([string[]] $Without = @(), [string] $SignCommand = "")
$ErrorActionPreference = "Stop"
Set-Location (Join-Path $PSScriptRoot "..\..")
$python = ".venv\Scripts\python.exe"

$words = @("packaging\freeze.py")
if ($Without.Count -gt 0) { $words += "--without"; $words += $Without }
& $python @words
if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }

if ($SignCommand) {
    foreach ($program in "proctor.exe", "open-proctor.exe") {
        Invoke-Expression ($SignCommand.Replace('$f', "build\frozen\open-proctor\$program"))
        if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }
    }
}

$version = & $python -c "from importlib.metadata import version; print(version('open-proctor'))"
$options = @("/Q", "/DVersion=$version")
if ($SignCommand) { $options += "/Ssign=$SignCommand"; $options += "/DSign" }
& iscc @options packaging\windows\open-proctor.iss
exit $LASTEXITCODE
