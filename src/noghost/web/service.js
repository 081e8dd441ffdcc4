"use strict";

/** What goes wrong between here and the service, in words for whoever asked. */
class ServiceError extends Error {
  constructor(message, { status = 0, isBroken = false } = {}) {
    super(message);
    this.status = status;
    this.isBroken = isBroken; // the answer had begun
  }
}

/**
 * The service that this page came from. One request is one connection and one instance.
 *
 * The API key is in a private field of this object and nowhere else: gone with the page.
 */
class Service {
  #key = "";
  isSealing = false; // each request goes sealed to its instance

  get hasKey() {
    return this.#key !== "";
  }

  setKey(key) {
    this.#key = key;
  }

  /** Names of the models that answer conversations, the default first. */
  async models() {
    const response = await this.#fetch("/v1/models");
    return (await response.json()).data.map((model) => model.id);
  }

  /** The receipt's text. */
  async receipt(instance) {
    const response = await this.#fetch(`/v1/receipts/${instance}`);
    return Bytes.decode(new Uint8Array(await response.arrayBuffer()));
  }

  /** How the instance ended whose request had this header. */
  async fate(header) {
    return (await this.#fetch("/v1/life", { headers: header })).json();
  }

  /**
   * Ask, and hand over what comes: `onSealed(instance)` where it is sealed, `onBorn(instance)` once, `onText(piece)`,
   * `onThought(piece)`.
   *
   * Resolves to {facts, usage, reason} when the answer is whole. Raises ServiceError, or AbortError by `signal`.
   */
  async ask(body, ties, { signal, onSealed, onBorn, onText, onThought }) {
    const headers = { "content-type": "application/json", ...ties };
    const response = await this.#fetch("/v1/chat/completions", { method: "POST", body, headers, signal, onSealed });
    onBorn(response.headers.get("noghost-instance"));
    const end = { facts: {}, usage: {}, reason: null };
    for await (const event of events(response.body)) {
      if (event.error) throw new ServiceError(event.error.message, { isBroken: true });
      if (event.noghost) end.facts = event.noghost;
      if (event.usage) end.usage = event.usage;
      for (const { delta, finish_reason: reason } of event.choices) {
        if (delta.reasoning_content) onThought(delta.reasoning_content);
        if (delta.content) onText(delta.content);
        if (reason) end.reason = reason;
      }
    }
    return end;
  }

  /** A WebSocket to /v1/realtime, on which nothing was said yet. */
  realtime(model) {
    const address = `${location.origin.replace("http", "ws")}/v1/realtime?model=${encodeURIComponent(model)}`;
    return new WebSocket(address, ["realtime", ...(this.#key ? [`openai-insecure-api-key.${this.#key}`] : [])]);
  }

  async #fetch(path, options = {}) {
    const headers = { ...options.headers };
    if (this.#key) headers.authorization = `Bearer ${this.#key}`;
    const { onSealed, ...plain } = options;
    let response;
    try {
      response = this.isSealing
        ? await Invocation.ask(path, { ...options, headers })
        : await fetch(path, { ...plain, headers, cache: "no-store", credentials: "omit", redirect: "error" });
    } catch (error) {
      if (isTold(error)) throw error;
      throw new ServiceError("The service does not answer. It may be starting again, or the network is down.");
    }
    if (!response.ok) throw new ServiceError(await told(response), { status: response.status });
    return response;
  }
}

/** What an error of the API says. */
async function told(response) {
  try {
    return inWords((await response.json()).error.message);
  } catch {
    return `The service answered ${response.status}.`;
  }
}

/** A message of the API as a sentence. */
const inWords = (message) => message[0].toUpperCase() + message.slice(1) + (/[.!?)]$/.test(message) ? "" : ".");

/** What says itself why nothing came. */
const isTold = (error) => error.name === "AbortError" || error instanceof ServiceError;

/**
 * The server-sent events of a body, up to [DONE]. Raises ServiceError for one that ends without it.
 *
 * It is read to its end: that of a sealed one is told by its last record alone.
 */
async function* events(body) {
  const broken = new ServiceError("The connection broke before the answer was whole.", { isBroken: true });
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let [waiting, isWhole] = ["", false];
  for (;;) {
    let piece = { done: true };
    try {
      piece = await reader.read();
    } catch (error) {
      if (isTold(error)) throw error;
    }
    if (piece.done && isWhole) return;
    if (piece.done) throw broken;
    const lines = (waiting + piece.value).split("\n");
    waiting = lines.pop();
    for (const line of lines) {
      if (line === "data: [DONE]") isWhole = true;
      else if (line.startsWith("data:") && !isWhole) yield JSON.parse(line.slice(5));
    }
  }
}
