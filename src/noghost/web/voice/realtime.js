"use strict";

/**
 * One session of /v1/realtime: one connection and one instance, with an ear, a mind and a mouth for each turn. Each
 * event of the service's goes to the handler of its name in `on`; `on.end(wasOpen)` comes once, when it has left.
 */
class Realtime {
  #socket;
  #waiting = []; // events to be sent once it is open
  #given = new Set(); // turns that the service has
  #sent = 0;
  isOpen = false;

  constructor(socket, on) {
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#hear(JSON.parse(data), on);
    socket.onclose = () => on.end(this.isOpen);
  }

  #hear(event, on) {
    if (event.type === "session.created") this.#open();
    on[event.type]?.(event);
  }

  #open() {
    this.isOpen = true;
    for (const event of this.#waiting) this.#socket.send(event);
    this.#waiting = [];
  }

  /** The event's name, which an error names. */
  send(type, fields = {}) {
    const id = `page_${this.#sent++}`;
    const event = JSON.stringify({ type, event_id: id, ...fields });
    if (this.isOpen) this.#socket.send(event);
    else this.#waiting.push(event);
    return id;
  }

  /** How it hears and answers. `isFree`: the service finds where a turn ends, and answers by itself. */
  set({ isFree, mostTokens }) {
    const input = { transcription: { model: "default" }, turn_detection: isFree ? { type: "server_vad" } : null };
    const session = { type: "realtime", output_modalities: ["audio"], truncation: "disabled", audio: { input } };
    this.send("session.update", { session: { ...session, max_output_tokens: mostTokens } });
  }

  /** Have captions told while somebody speaks; a service that knows none answers with an error of this name. */
  askForCaptions() {
    return this.send("session.update", { session: { type: "realtime", noghost: { captions: true } } });
  }

  append(buffer) {
    this.send("input_audio_buffer.append", { audio: Bytes.to64(new Uint8Array(buffer)) });
  }

  /** Turns that were before, those that it has left out. */
  give(turns) {
    for (const turn of turns.filter((turn) => !this.#given.has(turn))) {
      this.know(turn);
      for (const item of itemsOf(turn)) this.send("conversation.item.create", { item });
    }
  }

  /** It has this one from what was spoken. */
  know(turn) {
    this.#given.add(turn);
  }

  /** Leave of an answer what was heard of it, and ask what that is. */
  cut(item, ms) {
    this.send("conversation.item.truncate", { item_id: item, content_index: 0, audio_end_ms: ms });
    this.send("conversation.item.retrieve", { item_id: item });
  }

  close() {
    this.#socket.onclose = this.#socket.onmessage = null;
    this.#socket.close();
  }
}

/** A turn as items: its words, the functions that it calls, or what one has come to. */
function itemsOf(turn) {
  const { role, content, tool_calls: calls, tool_call_id: call } = messageOf(turn);
  if (role === "tool" || role === "function")
    return [{ type: "function_call_output", call_id: call ?? "", output: content ?? "" }];
  const said = role === "developer" ? "system" : role;
  const type = said === "assistant" ? "output_text" : "input_text";
  const words = content ? [{ type: "message", role: said, content: [{ type, text: content }] }] : [];
  const asked = (calls ?? []).map(({ id, function: call }) => ({ type: "function_call", call_id: id, ...call }));
  return [...words, ...asked];
}
