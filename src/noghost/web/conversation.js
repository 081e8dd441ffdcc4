"use strict";

/**
 * A conversation as this page has it: a tree of turns, of which one path is shown. In memory only.
 *
 * A turn is {role, text, parent, children, chosen}, `kept` if a file has it (as Transcript.parse gives it), and what is
 * known of it: `at` and `ended` (ms), `life`, `key` and `options` of its request, `thought`, `cut` (why it is not
 * whole), `failed` (why it got no answer); `isSpoken`, and what voice/turns.js says of such a one.
 */
class Conversation {
  constructor() {
    this.root = turnOf(null, null, "");
    this.name = null; // of its file
    this.head = null; // as that file has it
    this.isDirty = false;
  }

  /** From a transcript that was read. */
  static from(transcript, name) {
    const conversation = new Conversation();
    const { turns, ...head } = transcript;
    let parent = conversation.root;
    for (const kept of turns) parent = recall(conversation.add(parent, kept.role, kept.text), kept);
    return Object.assign(conversation, { head, name, isDirty: false });
  }

  /** As a transcript: the path that is shown. `model`: for the title of a new one. */
  toTranscript(model) {
    const path = this.path();
    const title = path.some(({ isSpoken }) => isSpoken) ? "Voice Conversation" : "Conversation";
    const fresh = { title, model, started: localTime(path[0]?.at ?? Date.now()), newline: "\n" };
    const turns = path.map((turn) => turn.kept ?? { role: turn.role, text: turn.text, facts: factsToKeep(turn) });
    return { ...(this.head ?? fresh), turns };
  }

  fileName() {
    const at = this.toTranscript("").started;
    return this.name ?? `conversation-${at.slice(0, 16).replace(" ", "-").replace(":", "")}.md`;
  }

  /** The turns that are shown, the first one first. */
  path() {
    const turns = [];
    for (let turn = this.root; turn.children.length;) {
      turn = turn.children[turn.chosen];
      turns.push(turn);
    }
    return turns;
  }

  last() {
    return this.path().at(-1) ?? this.root;
  }

  /** The last turn that is no question. */
  lastAnswered() {
    return this.path().findLast(({ role }) => role !== "user") ?? this.root;
  }

  /** A new turn after `parent`, shown from now on; those that were there are kept beside it. */
  add(parent, role, text) {
    const turn = turnOf(parent, role, text);
    parent.chosen = parent.children.push(turn) - 1;
    this.isDirty = true;
    return turn;
  }

  /** Take a turn back; what came after it comes after the one before. */
  drop(turn) {
    const { parent, children } = turn;
    for (const child of children) child.parent = parent;
    parent.children.splice(parent.children.indexOf(turn), 1, ...children);
    parent.chosen = Math.max(0, parent.children.length - 1);
  }

  /** Show the turn `step` beside this one. */
  turnTo(turn, step) {
    const { parent } = turn;
    parent.chosen = Math.min(parent.children.length - 1, Math.max(0, parent.children.indexOf(turn) + step));
    this.isDirty = true;
  }
}

const turnOf = (parent, role, text) => ({ parent, role, text, children: [], chosen: 0, at: Date.now(), ended: null });

/** The turns from the first one to this. */
function turnsTo(turn) {
  return turn.parent ? [...turnsTo(turn.parent), turn] : [];
}

/** The instructions that hold where this turn is. */
const instructionsAt = (turn) => turnsTo(turn).findLast(({ role }) => role === "system")?.text ?? "";

/** The body of the request that was answered by `turn`: the same bytes whenever it is made. */
const bodyOf = (turn) => Bytes.encode(sortedJson({ ...turn.options, messages: turnsTo(turn.parent).map(messageOf) }));

/** A turn as the API's message; a file may know more of it than role and text. */
function messageOf({ role, text, kept }) {
  const further = isObject(kept?.facts.message) ? kept.facts.message : {};
  const alias = { developer: "system", function: "tool" }[further.role] === role ? further.role : role;
  return { ...further, role: alias, content: text === "" && "tool_calls" in further ? null : text };
}

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

/** What a file knows of a turn. */
function recall(turn, kept) {
  const { began, ended, instance, key, options } = kept.facts;
  const isId = /^[0-9a-f]{32}$/.test(instance);
  Object.assign(turn, { kept, at: Date.parse(began) || null, ended: Date.parse(ended) || null });
  if (turn.role === "assistant" && isId) turn.life = Life.past(instance);
  if (/^[0-9a-f]{64}$/.test(key)) turn.key = Bytes.fromHex(key);
  if (isObject(options)) turn.options = options;
  return turn;
}

/** What a file is to know of a turn: spec/transcript-v1.md, "Facts". */
function factsToKeep({ role, at, ended, life, key, options }) {
  const facts = { began: new Date(at).toISOString() };
  if (role !== "assistant") return facts;
  if (ended) facts.ended = new Date(ended).toISOString();
  if (life?.instance) facts.instance = life.instance;
  if (key) facts.key = Bytes.toHex(key);
  if (options) Object.assign(facts, { model: options.model, options });
  if (life?.receipt.text) facts.receipt = life.receipt.text;
  if (life?.facts.seed !== undefined) facts.seed = life.facts.seed;
  return facts;
}

/** YYYY-MM-DD HH:MM:SS by the clock of this machine. */
function localTime(ms) {
  const local = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 19).replace("T", " ");
}
