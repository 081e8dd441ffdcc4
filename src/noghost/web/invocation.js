"use strict";

/**
 * A sealed invocation over its WebSocket: one request, one connection, one instance, which ends when that does.
 *
 * Covered: nothing is sealed to an opening that is not signed by the key that the service had before.
 * Not covered: the first look, and the way that this page itself came.
 */
const Invocation = (() => {
  const PATH = "/v1/sealed";
  const NO_BYTES = new Uint8Array();
  const HEAD_MOST_BYTES = 65_536;
  const HEAD = /^HTTP\/1\.[01] ([2-5][0-9]{2}) [^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n/;
  const WORDS = ["not_opened", "frame_malformed", "timeout", "key_used", "too_large"];
  let known = null; // the service's verifier key, once it was met

  /** Why this browser can seal nothing, or null. */
  async function whyNot() {
    if (!Check.isPossible()) return "Over plain HTTP a browser lets no page encrypt.";
    try {
      await Hpke.makePair();
      await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]);
      return null;
    } catch {
      return "This browser has no X25519 or no Ed25519.";
    }
  }

  /** As the browser's fetch: a Response. `onSealed(id)`: the request is on its way, to this instance alone. */
  async function ask(path, { method = "GET", headers = {}, body = null, signal = null, onSealed = null } = {}) {
    const request = render(method, path, headers, body ?? NO_BYTES);
    signal?.throwIfAborted();
    const socket = new WebSocket(location.origin.replace("http", "ws") + PATH);
    try {
      const messages = messagesOf(socket, signal).getReader();
      const { id, records } = await send(request, socket, messages);
      onSealed?.(id);
      return await responseOf(opened(socket, messages, records), socket, id);
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  /** HTTP/1.0, whose answer has no chunks: it ends with its last record, and with nothing else. */
  function render(method, path, headers, body) {
    const lines = [...new Headers({ ...headers, host: location.host, "content-length": body.length })];
    const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("");
    return Bytes.join(Bytes.encode(`${method} ${path} HTTP/1.0\r\n${head}\r\n`), body);
  }

  /** What comes, in order, until the connection ends. */
  function messagesOf(socket, signal) {
    socket.binaryType = "arraybuffer";
    return new ReadableStream({
      start(stream) {
        const isBytes = (data) => data instanceof ArrayBuffer;
        socket.onmessage = ({ data }) => stream.enqueue(isBytes(data) ? new Uint8Array(data) : NO_BYTES); // no record
        socket.onclose = ({ reason }) => (WORDS.includes(reason) ? stream.error(ended(reason)) : stream.close());
        signal?.addEventListener("abort", () => {
          socket.onmessage = socket.onclose = null;
          stream.error(signal.reason);
          socket.close();
        });
      },
    });
  }

  const ended = (word) => Sealed.cut(`The service ended the sealed invocation: ${word}.`, word);

  /** Seal the request to the instance that opened, if it is the service's; {id, records}. */
  async function send(request, socket, messages) {
    const { done, value } = await messages.read();
    if (done) {
      const why = "The service is busy or away, or what is between passes no WebSockets on.";
      throw new SealedError(`No sealed invocation was opened. ${why}`, "refused");
    }
    const opening = await Sealed.parseOpening(value);
    await recognise(opening);
    const { message, records } = await Sealed.seal(request, opening);
    socket.send(message);
    return { id: opening.id, records };
  }

  /** Raises SealedError for another key than the one that is known; where none is, this one is from now on. */
  async function recognise({ signer, vkey }) {
    known ??= vkey;
    const { key } = await Receipt.parseKey(known);
    if (Bytes.isEqual(key, signer.key)) return;
    const [before, now] = (await Promise.all([key, signer.key].map(Bytes.sha256))).map(Bytes.toHex);
    const what = `The service signs with another key than before: sha256 ${before} is known, sha256 ${now} came.`;
    throw new SealedError(`${what} Nothing was sent. Ask who runs it: somebody may be in between.`, "other_key");
  }

  /** The answer's bytes, record by record, to the last one. */
  async function* opened(socket, messages, records) {
    try {
      while (!records.hasEnded) {
        const { done, value } = await messages.read();
        if (done) records.end();
        yield await records.open(value);
      }
    } finally {
      socket.close();
    }
  }

  /** The HTTP response that these bytes are; its instance is the one that the service signed for. */
  async function responseOf(pieces, socket, id) {
    let [held, head] = [NO_BYTES, null];
    while (!(head = HEAD.exec(latin1(held)))) {
      const { done, value } = await pieces.next();
      if (done || held.length > HEAD_MOST_BYTES) throw Sealed.cut("The sealed answer is not HTTP.", "truncated");
      held = Bytes.join(held, value);
    }
    const headers = new Headers(head[2].split("\r\n").slice(0, -1).map(fieldOf));
    headers.set("noghost-instance", id);
    const body = new ReadableStream({
      start: (stream) => stream.enqueue(held.slice(head[0].length)),
      async pull(stream) {
        const { done, value } = await pieces.next();
        if (done) stream.close();
        else stream.enqueue(value);
      },
      cancel: () => socket.close(),
    });
    return new Response(body, { status: Number(head[1]), headers });
  }

  const latin1 = (bytes) => new TextDecoder("latin1").decode(bytes);

  function fieldOf(line) {
    const [name, ...value] = line.split(":");
    return [name, value.join(":").trim()];
  }

  return { whyNot, ask, known: () => known, know: (vkey) => (known = vkey) };
})();
