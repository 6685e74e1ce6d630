"""Why a look cannot be signed now, a clip not be opened, or a hub says no: by the shapes of the sentences.

They are made elsewhere, in English (``proctor.evidence.decision``, the console, the hub);
:mod:`policies.texts.told` tells them in the language of whoever looks.
"""

from __future__ import annotations

from policies.texts import mark

JUDGING = (
    mark("This verdict needs a reason: the student is told why."),
    mark("This flag is decided; a statement can be taken back by whoever signed it."),
    mark(
        "The student can still comment on this flag (until {when} UTC); until then nothing is decided."
    ),
    mark("The student can still comment on this flag; until then nothing is decided."),
    mark("This flag waits for another look than the one that was signed; look again."),
    mark("The next look is another person's, with a key and a name of their own."),
    mark("There is no such statement to take back, or it was taken back already."),
    mark("Only whoever signed a statement can take it back."),
    mark("A statement can be taken back for {minutes} minutes, an adverse one at any time."),
    mark("Open the clip first: nobody confirms what they have not looked at."),
    mark("The time to look at this flag is over."),
    mark("The clip of this flag is still on its way to the hub; look at it later."),
    mark("The clip of this flag is still on its way to the hub; look later."),
    mark("This flag does not wait for a look."),
    mark("Somebody else has this flag on the desk."),
    mark("Somebody else has this flag on the desk; take another one."),
    mark("The hub has no signed checkpoint of this exam yet; look later."),
    mark("There is no clip of this flag."),
    mark("There is no clip of this flag here."),
    mark("The clip of this flag has not arrived yet."),
    mark("This clip was erased."),
    mark("No key here opens the clips of this case; open the case again and choose a key file."),
    mark("There is no such flag here."),
    mark("Something else was said of this flag just now; look again."),
    mark("A later statement about this flag is here; check this clock."),
    mark("You have not opened this clip; look at it first."),
    mark("It is not signed with the key that you have registered here."),
    mark("It does not carry the name under which you are known here."),
    mark("Its time is not the hub's time; set this computer's clock and sign again."),
    mark("That flag is not on your desk."),
    mark("This exam has ended; nothing is asked of it any more."),
    mark("The policy of this exam offers no room scan, so nobody can ask for one."),
    mark("You are not logged in, or no longer; log in again."),
    mark("The line to the hub broke; it is opened again."),
    mark("The hub {host} cannot be reached now; try again later."),
    mark("The clip could not be opened: its decoder answered nonsense."),
    mark("The clip takes longer than {seconds} s to open."),
    mark("The clip makes the decoder fail; it was not opened."),
    mark("The process that opens clips does not start; none can be opened here."),
    mark("The clip says it has pictures, but none of them can be decoded."),
    mark("The clip is not an MP4 file."),
    mark("The clip is damaged: one of its boxes does not fit in the file."),
    mark("The sealed clip is not the one that the journal names; it was not opened."),
    mark("The sealed clip is damaged and was not opened ({error})."),
)
