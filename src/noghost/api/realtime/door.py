"""WebSocket /v1/realtime: who may come in, and the connection. In an instance."""

from __future__ import annotations

from starlette.websockets import WebSocket, WebSocketDisconnect

from noghost.api.errors import error_response
from noghost.api.here import Here
from noghost.api.realtime.children import Children
from noghost.api.realtime.session import Talk
from noghost.api.realtime.settings import THEIRS
from noghost.api.realtime.wire import Wire
from noghost.api.websocket import check_origin
from noghost.errors import NoghostError
from noghost.instance.talk import begin_talk

PATH = "/v1/realtime"
SUBPROTOCOL = "realtime"  # OpenAI's clients in a browser offer it


async def realtime(socket: WebSocket) -> None:
    """One conversation."""
    now: Here = socket.app.state.here
    try:
        check_origin(socket.scope, now)
        model = model_of(now, socket.query_params.get("model", "default"))
        children = Children(now, None)
        await children.begin()
    except NoghostError as error:
        await socket.send_denial_response(error_response(error, PATH))
        return
    begin_talk(now.limits.longest_s)
    await socket.accept(SUBPROTOCOL if SUBPROTOCOL in socket.scope["subprotocols"] else None)
    try:
        await Talk(now, Wire(socket), children, model).run()
    except WebSocketDisconnect:
        return


def model_of(now: Here, name: str) -> str:
    """The name of the model that is asked for. RequestError where there is none."""
    if now.remote_called(name) is not None:
        return name
    return now.models[now.find_model("default" if THEIRS.fullmatch(name) else name)].name
