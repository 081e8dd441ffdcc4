"""A conversation that is spoken at a terminal, with a service over its /v1/realtime. On the caller's side.

devices     PortAudio, by sounddevice: what there is, and how to be without its chatter
stream      what the two have in common
microphone  sound from the person; a thread of PortAudio's gives it
speaker     sound to the person, and how much of it was really played
wire        the WebSocket
settings    how the conversation is to be
items       turns, as the service has them
exchange    a question and its answer, while they are spoken
session     what is said and heard; no terminal
pace        which words of an answer were spoken so far
latency     how long each part of a turn took
press       a key that is struck, as a press that begins and ends
screen      what it looks like
terminal    keys, microphone, speaker, wire and screen, together

None of it touches a disk but the transcript that the person named.
"""
