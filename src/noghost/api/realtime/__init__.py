"""WebSocket /v1/realtime: a conversation that is spoken, as OpenAI's Realtime API has it. Runs in an instance.

door       who may come in, and the connection
session    one conversation: what the caller's events do
schema     what the caller's events are
settings   what a session is set to, as the caller sees it
items      what was said
listening  the caller's sound: an ear for each turn
response   one answer: a mind and a mouth for it
spoken     which text of an answer was heard
children   the processes that this one is brought
wire       events to the caller
"""
