#!/bin/sh
# Packs the program on macOS, signs it, has it notarised and makes a disk image:  sh packaging/macos/build.sh [NETWORK …]
# The networks named are left out. Not tried on macOS yet; what can be checked elsewhere is checked by
# tests/unit/test_packaging_recipes.py.
#
# PROCTOR_MAC_IDENTITY   "Developer ID Application: …", a certificate in the keychain; without it the app is signed
#                        for this computer only, and not notarised
# PROCTOR_MAC_PROFILE    a profile that `xcrun notarytool store-credentials` made
set -eu
cd "$(dirname "$0")/../.."
python=.venv/bin/python
here=packaging/macos
version=$("$python" -c "from importlib.metadata import version; print(version('open-proctor'))")
app="build/frozen/Open Proctor.app"
image="dist/Open_Proctor-$version-$(uname -m).dmg"
identity=${PROCTOR_MAC_IDENTITY:--}

if [ $# -gt 0 ]; then
    "$python" packaging/freeze.py --without "$@"
else
    "$python" packaging/freeze.py
fi

# The sentences that macOS shows before the camera is first used, in five languages.
for folder in "$here"/*.lproj; do
    mkdir -p "$app/Contents/Resources/$(basename "$folder")"
    cp "$folder/InfoPlist.strings" "$app/Contents/Resources/$(basename "$folder")/"
done
plutil -replace CFBundleShortVersionString -string "$version" "$app/Contents/Info.plist"
plutil -replace CFBundleVersion -string "$version" "$app/Contents/Info.plist"

# The hardened runtime, which notarisation asks for, refuses libraries that are not signed by the same name. Without a
# name there is no "same": a program signed for this computer only would then not start.
if [ "$identity" != - ]; then
    sign() { codesign --force --options runtime --timestamp --sign "$identity" "$@"; }
else
    sign() { codesign --force --timestamp=none --sign - "$@"; }
fi
# Libraries first, then the whole: a signature covers what is in it. Those of frameworks have no ending in their names.
find "$app/Contents" -type f ! -path "$app/Contents/MacOS/*" | while IFS= read -r file; do
    case $(file -b "$file") in
        Mach-O*) sign "$file" ;;
    esac
done
sign --entitlements "$here/entitlements.plist" "$app/Contents/MacOS/proctor"
sign --entitlements "$here/entitlements.plist" "$app"
codesign --verify --deep --strict --verbose=2 "$app"

mkdir -p dist
rm -f "$image"
content=$(mktemp -d)
trap 'rm -rf "$content"' EXIT
cp -R "$app" "$content/"
ln -s /Applications "$content/Applications"
hdiutil create -quiet -volname "Open Proctor" -srcfolder "$content" -format UDZO "$image"

if [ "$identity" != - ]; then
    codesign --force --timestamp --sign "$identity" "$image"
    xcrun notarytool submit "$image" --keychain-profile "${PROCTOR_MAC_PROFILE:?name a profile of notarytool}" --wait
    xcrun stapler staple "$image"
    spctl --assess --type open --context context:primary-signature --verbose "$image"
else
    echo "build: signed for this computer only; set PROCTOR_MAC_IDENTITY for one that others can open."
fi
echo "build: $image"
