"""What devices, this computer and a calibration have to say to a student, by the shapes of the sentences.

The sentences are made elsewhere, in English, and stay so in the evidence; :mod:`policies.texts.told` tells them in
a student's language. ``tests/unit/test_told.py`` compares them with the places that make them.
"""

from __future__ import annotations

from policies.texts import mark

# What a camera and a microphone have to say (proctor/capture).
DEVICES = (
    mark(
        "The camera stopped giving anything; check its cable, and that no other program took it. "
        "It is tried again every second."
    ),
    mark(
        "The microphone stopped giving anything; check its cable, and that no other program took "
        "it. It is tried again every second."
    ),
    mark("The camera is back."),
    mark("The microphone is back."),
    mark("Another camera is used now; look where it points."),
    mark(
        "The camera {device} does not open; close other programs that use it, or plug it in anew."
    ),
    mark("There is no camera at {device}; plug one in, or choose another."),
    mark(
        "The camera {device} may not be used by this account; run 'sudo usermod -aG video $USER' "
        "and log in again."
    ),
    mark(
        "The camera cannot be used; allow it in System Settings › Privacy & Security › Camera for"
        " this program, then start it again."
    ),
    mark(
        "The camera cannot be used; allow it in Settings › Privacy & security › Camera ('Let "
        "desktop apps access your camera') and close other programs that use it."
    ),
    mark("The camera gives pictures that cannot be read; choose another."),
    mark(
        "The camera gives {width}×{height} pictures of another format than the {wide}×{high} in "
        "colour asked for; they are converted."
    ),
    mark("{refused} (OpenCV answered: {error})"),
    mark(
        "The microphone cannot be used; plug one in, see in the sound settings that it is chosen "
        "and not muted, and that this account may use sound (group audio)."
    ),
    mark(
        "The microphone cannot be used; allow it in System Settings › Privacy & Security › "
        "Microphone for this program, then start it again."
    ),
    mark(
        "The microphone cannot be used; allow it in Settings › Privacy & security › Microphone "
        "('Let desktop apps access your microphone')."
    ),
    mark("{refused} (The sound system answered: {error})"),
    mark(
        "Sound input needs the library PortAudio; install it (on Debian and Ubuntu: sudo apt "
        "install libportaudio2) and start again."
    ),
    mark(
        "The microphone gives {rate} samples a second on {channels} channels; they are converted "
        "to {wanted} on one."
    ),
    mark("The recording {name} has ended."),
)

# This computer: its disk, its load, its sleep (proctor/session, proctor/pipeline, proctor/evidence/disk).
MACHINE = (
    mark("{free} GB free for {folder}"),
    mark(
        "There is room for {left} more of clips; after that, notes are kept without them. Free "
        "some space on the disk of {disk} if you can: the exam goes on either way."
    ),
    mark("This computer is busy: {part} now looks every {seconds} s instead of every {usual} s."),
    mark(
        "The computer slept, or the program was held up. Nothing was measured for {seconds} s, "
        "and that does not count against you. The exam goes on."
    ),
    mark("its thread had ended and was started again"),
    mark("switched off after {count} failures in a row ({error})"),
    mark("switched off: it failed and could not be reset ({error})"),
    mark("switched off: one look took longer than {seconds} s"),
    mark("the detector failed ({error})"),
    mark("could not tell"),
    mark("the network {names} is not on this computer"),
    mark("`proctor models install {names}` mends it."),
    mark("not part of this preview"),
    mark("the recording has no picture"),
    mark("the recording has no sound"),
    mark("not measured by arrangement"),
)

# Calibration: its steps and how it went (proctor/session/calibrate, detectors).
CALIBRATION = (
    mark(
        "Look at the middle of the screen, sit as you will in the exam, and be quiet for "
        "{seconds} seconds."
    ),
    mark("Sit as you will in the exam, and be quiet for {seconds} seconds."),
    mark("Now look at {place} of the screen."),
    mark("the top left corner"),
    mark("the top right corner"),
    mark("the bottom right corner"),
    mark("the bottom left corner"),
    mark("the middle of the left edge"),
    mark("the middle of the right edge"),
    mark("the middle of the top edge"),
    mark("the middle of the bottom edge"),
    mark(
        "Read this aloud, or say anything else for {seconds} seconds: This is my own voice. I am "
        "sitting in my room, and I may take a break when I need one. The tea is warm, the window "
        "is closed, and the clock on the wall is five minutes slow."
    ),
    mark("Nothing in this exam needs a calibration."),
    mark("No picture comes from the camera, so nothing is calibrated; wider limits hold."),
    mark("Calibration, {seconds} s:"),
    mark("Nothing was learned of your screen: its device is off."),
    mark("Nothing was learned of your light: its device is off."),
    mark("Nothing was learned of your room's sound: its device is off."),
    mark("Nothing was learned of your own voice: its device is off."),
    mark(
        "What was learned of your screen went with the program's restart: wider limits hold. You "
        "can calibrate again."
    ),
    mark(
        "What was learned of your light went with the program's restart: wider limits hold. You "
        "can calibrate again."
    ),
    mark(
        "What was learned of your room's sound went with the program's restart: wider limits "
        "hold. You can calibrate again."
    ),
    mark(
        "What was learned of your own voice went with the program's restart: wider limits hold. "
        "You can calibrate again."
    ),
    mark("Where your screen is has been learned."),
    mark("Where your screen is could not be learned: {why}. Wider limits hold."),
    mark("The light of your room has been learned."),
    mark("The light of your room could not be learned: {why}. Wider limits hold."),
    mark("The sound of your room has been learned."),
    mark("The sound of your room could not be learned: {why}. Every voice counts."),
    mark("Your voice is known now; it is kept in memory and forgotten after the exam."),
    mark(
        "Your voice could not be learnt: {seconds} s of clear speech are needed, and {why}. It "
        "will be learnt from what you say first."
    ),
    mark("more than one voice was heard"),
    mark("{seconds} s of it were heard"),
    mark("it was not begun"),
    mark("it took too long"),
    mark("the camera was lost"),
    mark("the microphone was lost"),
    mark("only {count} pictures came"),
    mark("only {seconds} s of sound came"),
    mark("somebody spoke ({level} dBFS)"),
    mark("the light changed by {stops} stops"),
    mark("too dark ({reason})"),
    mark("blinding light ({reason})"),
    mark("light from behind ({reason})"),
    mark("the eyes did not rest on the points (scatter {degrees}°)"),
    mark("the eyes did not follow the points ({degrees}° from side to side)"),
    mark("too few of the points were seen well ({count})"),
    mark("too few of the points were seen well ({count}: {why})"),
)
