"""A conversation as its caller keeps it: a Markdown file (spec/transcript-v1.md).

    transcript = Transcript("Conversation", "smollm2-135m-instruct", datetime.now())
    transcript.append("user", "Hello!")
    TranscriptFile("hello.md").create(transcript)

`parse(text).render() == text` for every well-formed text; only turns that were changed are written anew.

Covered: text that looks like the format's own lines; what another has changed, or writes to, is not written.
Not covered: who may read the file, which is the caller's and holds the keys of the turns. An editor that writes in the
same microseconds as `TranscriptFile` does.
"""

from noghost.client.transcript.file import TranscriptFile
from noghost.client.transcript.transcript import Transcript
from noghost.client.transcript.turn import Turn
from noghost.errors import TranscriptChanged, TranscriptError

__all__ = ["Transcript", "TranscriptChanged", "TranscriptError", "TranscriptFile", "Turn"]
