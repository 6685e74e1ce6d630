"""What an exam, its delivery and an invitation have to say to a student, by the shapes of the sentences.

The sentences are made elsewhere, in English, and stay so in the evidence; :mod:`policies.texts.told` tells them in
a student's language. ``tests/unit/test_told.py`` compares them with the places that make them.
"""

from __future__ import annotations

from policies.texts import mark

# What an exam has to say while it runs, and what it cannot do (proctor/session, proctor/cli/controls).
EXAM = (
    mark("There is a break already; type resume to end it."),
    mark("This exam has no breaks. You can still withdraw a sensor, or end the exam."),
    mark("This exam has breaks at planned times only. The next one begins at minute {minute}."),
    mark("This exam has breaks at planned times only. All were taken."),
    mark("All breaks of this exam were taken ({count})."),
    mark("There is no break to end."),
    mark("Your room is being filmed; the exam goes on when that is over."),
    mark("Nothing is captured now; breaks are for a live exam that is running."),
    mark("A recording has no breaks; they are for a live exam."),
    mark("This exam is closed; write to the contact that its policy names."),
    mark(
        "A planned break of {minutes} minutes begins; nothing is captured. You can end it earlier."
    ),
    mark("The break is over: this exam allows {minutes} minutes. Capture goes on."),
    mark("The break ends in {seconds} s."),
    mark("'{purpose}' is not agreed to, so there is nothing to take back (agreed to: {names})."),
    mark(
        "'{purpose}' cannot be switched on in this exam any more; begin the exam anew to use it, "
        "or go on without it."
    ),
    mark("'{purpose}' is agreed to already."),
    mark("This exam is open to students under 18, so '{purpose}' is refused to everybody."),
    mark("This exam is open to students under 18, and no parent or guardian has agreed."),
    mark(
        "Neither the camera nor the microphone was agreed to, so there is nothing to run. The "
        "policy's alternatives apply; nothing was recorded."
    ),
    mark("No live exam is running, so there is nothing to mark."),
    mark(
        "The policy '{policy}' gives students no key of their own to clips; ask {contact} for a "
        "look at yours."
    ),
    mark(
        "The exam in {folder} has begun, and who can open its clips is agreed; no key is added to"
        " it."
    ),
    mark("A key of your own needs a passphrase; without one nothing was made."),
    mark("A comment has between 1 and {most} characters; it has {count}."),
    mark(
        "The exam page cannot be listened to: this computer gives no free port on {host} "
        "({error}). Close other programs or restart the computer."
    ),
    mark(
        "The detector '{part}' cannot start on this machine: {error}. `proctor doctor` says what "
        "is missing."
    ),
    mark("The detector '{part}' cannot start: {error}"),
    mark("The policy '{policy}' requires the detector '{part}', but {why}. {mend}"),
    mark(
        "The policy '{policy}' names the detector '{part}', which is not installed (installed: "
        "{names}). `proctor plugin list` shows them."
    ),
    mark("Cannot write {what}: {mend}."),
    mark("the disk is full; free some space, or choose another place"),
    mark("it is not writable for you; choose another place"),
    mark("{error}; check the disk, or choose another place"),
    mark("the journal {path}"),
    mark("the clip {path}"),
    mark("the case {path}"),
    mark("the export {path}"),
    mark("the page {path}"),
    mark("the key {path}"),
    mark("the checkpoint in {path}"),
    mark("the receipts in {path}"),
    mark("the invitation's folder {path}"),
    mark("what this computer remembers of policies ({path})"),
    mark("The exam in {folder} has ended; begin a new case for another."),
    mark("The exam in {folder} was begun under another policy; give that one."),
    mark("The exam in {folder} was begun with another addendum, or without; give the same."),
    mark("This exam has begun; --own-copy is for the beginning of one."),
    mark("Give an invitation, or a new folder for the case with --case DIR."),
    mark("The questions were not answered, so nothing was started."),
    mark("No passphrase was given, so nothing was done."),
    mark("The two passphrases were not the same, so no key was made; try again."),
    mark(
        "This computer does not know '{institution}'. Compare its keys with those on its own page, then run "
        "`{command}`."
    ),
)

# How sending goes (proctor/evidence/sender, proctor/hub/client).
DELIVERY = (
    mark("The hub answers again."),
    mark("Not delivered yet: {why}. It is tried again; nothing is lost meanwhile."),
    mark(
        "The connection is slow: notes and the log are sent, clips stay here, sealed, until the "
        "exam is over."
    ),
    mark("Clips are sent again."),
    mark("Nothing more is sent during this exam: {why}"),
    mark("The {kind} {name} was not taken: {why}. It stays in the case."),
    mark(
        "The hub does not take {kind} {name} of the case {folder}: {why}. Nothing after it was "
        "sent; tell the institution."
    ),
    mark("its file is shorter than the journal says"),
    mark(
        "The hub does not accept this exam's invitation (it answered {status}), so nothing is "
        "sent; ask the institution for a new one. The case stays whole here."
    ),
    mark(
        "This invitation is in use already, perhaps on another computer: a hub takes one attempt "
        "for each. Go on there, or ask the institution for a new invitation. What was recorded "
        "here stays here, sealed."
    ),
    mark("the hub does not answer ({error})"),
    mark("the hub answered {status}"),
    mark("the hub answered {status}, which leads elsewhere; only the declared address is used"),
    mark("the hub's answer is far too long to be one"),
    mark("the hub holds something else under this name"),
    mark("the hub holds another clip of this flag"),
    mark("the hub has another part of the clip than the next"),
    mark("a part of the clip was damaged on its way"),
    mark("the hub does not confirm the clip that was sent"),
    mark("the hub no longer has the beginning of this clip"),
    mark("the hub does not say how much of the clip it has"),
    mark("the hub points to an address that is not its own"),
    mark("what answers does not confirm the digest: perhaps it is not the hub"),
)

# Why an invitation is not opened (proctor/session/invitation, policies/invitation).
JOINING = (
    mark(
        "The invitation holds no policy, and not both the hub's address and a code with which to "
        "fetch it; ask for it again."
    ),
    mark(
        "The invitation is for the hub {given}, and its policy names {other}; ask for one whose "
        "parts belong together."
    ),
    mark("What the hub {address} gives is not used: {why}"),
    mark(
        "The exam's policy cannot be had from {address} now ({why}); try again with a network, or "
        "ask for the whole invitation as a file."
    ),
    mark(
        "This invitation is in use already, perhaps on another computer: a hub takes one attempt "
        "for each. Go on there, or ask the institution for a new invitation. What was recorded "
        "here stays here, sealed."
    ),
    mark(
        "The invitation {given} cannot be read ({error}); give the file you were sent, or the "
        "link that begins with {scheme}"
    ),
    mark(
        "This computer does not know '{institution}', and the invitation does not bring its root "
        "file; ask {contact} for one that does, or install the root file."
    ),
    mark(
        "This invitation was used on this computer already, and its exam has ended; the record is"
        " in {folder}. `proctor my-data` shows it; for another attempt ask {contact}."
    ),
    mark(
        "This invitation can be used from {moment} on. This computer's clock says {now} UTC; if "
        "that is wrong, set it right. Questions: {contact}"
    ),
    mark(
        "This invitation could be used until {moment}. This computer's clock says {now} UTC; if "
        "that is wrong, set it right. Questions: {contact}"
    ),
    mark("{why} (It is kept in {folder}.)"),
    mark("The {name} file {path} cannot be read ({error})."),
    mark("The invitation {where} is larger than {size} kB; none is. Ask for it again."),
    mark(
        "This is no invitation link: it should begin with {scheme} and be one line; copy it "
        "again, whole."
    ),
    mark("The invitation link is cut off; copy it again, whole."),
    mark("The invitation link is damaged; copy it again, whole."),
    mark("The invitation {where} is not text; ask for it again."),
    mark("The invitation {where} is damaged ({error}); ask for it again."),
    mark(
        "The invitation has {has} and {lacks}; a policy that names a hub and a one-time code come"
        " together."
    ),
    mark(
        "The invitation holds a policy of '{institution}' and the root file of '{other}'; ask for"
        " one whose parts belong together."
    ),
    mark("The invitation's policy was not signed by the keys it brings: {error}"),
    mark("a hub"),
    mark("a code"),
    mark("no hub"),
    mark("no code"),
    mark(
        "The policy {where} is signed, but no institution is known here whose signature could be "
        "checked; give its root file with --root FILE, or `proctor policy root install FILE`."
    ),
    mark("The policy {where} is not signed by an institution that is known here ({error})."),
    mark(
        "The policy {where} speaks for '{institution}' but is signed by {names}, which may sign "
        "only for itself."
    ),
    mark(
        "The policy {where} cannot be checked: this computer's clock says {now}, but it was "
        "{before} here before; set the clock."
    ),
    mark("The policy {where} holds only from {moment} on."),
    mark("The policy {where} expired on {moment}; ask {institution} for the present one."),
    mark(
        "The policy {where} is version {version}, but version {before} of '{policy}' was followed"
        " here before; ask {institution} for the present one."
    ),
    mark(
        "The policy {where} is version {version} of '{policy}' like one that was followed here "
        "before, but says something else; whoever signs it must raise the version."
    ),
    mark(
        "The policy {where} is not signed and its stakes are '{stakes}': only practice runs "
        "unsigned; `proctor policy sign` makes the envelope to give instead."
    ),
)
