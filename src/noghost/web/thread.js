"use strict";

/** The turns that are shown, one below the other, and the gaps between them. */
class Thread {
  #shown = new Map(); // turn -> its element
  #waiting = new Set(); // turns to be drawn with the next frame

  /** `acts`: answer(question), edit(question, text), turnTo(turn, step), fetchReceipt(turn), redraw(). */
  constructor(acts) {
    this.acts = acts;
  }

  /** Draw the whole path. `running`: the turn that is being answered or spoken; `isOff`: no other may be begun. */
  draw(path, running, isOff) {
    const shown = new Map(path.map((turn) => [turn, this.#draw(turn, running, isOff)]));
    this.#shown = shown;
    const parts = path.flatMap((turn, index) => [gapBefore(turn, path[index - 1]), shown.get(turn)]);
    byId("thread").replaceChildren(...parts.filter(Boolean));
    byId("welcome").hidden = path.length > 0;
  }

  /** One turn has grown: draw its text with the next frame. */
  grow(turn) {
    if (!this.#waiting.size) requestAnimationFrame(() => this.#flush());
    this.#waiting.add(turn);
  }

  #flush() {
    for (const turn of this.#waiting) {
      const body = this.#shown.get(turn)?.querySelector(".body");
      if (!body) continue;
      const isAtEnd = innerHeight + scrollY >= document.documentElement.scrollHeight - 120;
      body.replaceChildren(...contentOf(turn));
      if (isAtEnd) scrollTo({ top: document.documentElement.scrollHeight });
    }
    this.#waiting.clear();
  }

  #draw(turn, running, isOff) {
    const body = element("div", { class: "body" }, ...contentOf(turn));
    const isRunning = turn === running;
    const title = element("h2", {}, NAMES[turn.role] ?? turn.role);
    const parts = [title, body, noteOf(turn), isRunning ? null : this.#footOf(turn, isOff)];
    const role = Object.hasOwn(NAMES, turn.role) ? turn.role : "other";
    return element("article", { class: `turn ${role}`, "aria-busy": String(isRunning) }, ...parts.filter(Boolean));
  }

  #footOf(turn, off) {
    const acts = [];
    const act = (label, act, attributes = {}) => acts.push(button(label, act, { disabled: off, ...attributes }));
    if (turn.role === "user") act("Edit", () => this.#edit(turn));
    if (turn.role === "user" && !turn.children.length) {
      act(turn.failed ? "Try again" : "Ask this", () => this.acts.answer(turn), { class: "first" });
    }
    if (turn.role === "assistant") act("Ask again", () => this.acts.answer(turn.parent));
    if (turn.life?.isUnaccounted) act("Look for its receipt", () => this.acts.fetchReceipt(turn));
    if (turn.text) acts.push(button("Copy", (event) => copy(turn.text, event.target)));
    return element(
      "p",
      { class: "foot" },
      this.#switchOf(turn, off),
      factsOf(turn),
      element("span", { class: "acts" }, ...acts),
    );
  }

  /** ‹ 1 of 2 ›, where there are several. */
  #switchOf(turn, off) {
    const { children } = turn.parent;
    if (children.length < 2) return null;
    const index = children.indexOf(turn);
    const step = (label, by, sign) =>
      button(sign, () => this.acts.turnTo(turn, by), { "aria-label": label, disabled: off || !children[index + by] });
    const place = `${index + 1} of ${children.length}`;
    return element(
      "span",
      { class: "branches" },
      step("The branch before", -1, "‹"),
      place,
      step("The next branch", 1, "›"),
    );
  }

  /** The question becomes a field; what is asked then stands beside it, and the old one stays. */
  #edit(turn) {
    const box = element("textarea", { rows: "3", "aria-label": "The question anew", autocomplete: "off" });
    box.value = turn.text;
    const close = () => this.acts.redraw();
    const ask = () => box.value.trim() && this.acts.edit(turn, box.value);
    const keys = (event) => {
      if (event.key === "Escape") close();
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      ask();
    };
    box.addEventListener("keydown", keys);
    const acts = element("p", { class: "choices" }, button("Cancel", close), button("Ask", ask, { class: "first" }));
    this.#shown.get(turn).replaceChildren(box, acts);
    fit(box);
    box.focus();
  }
}

const NAMES = { user: "You", assistant: "Somebody", system: "Instructions", tool: "Tool" };

/** The words of a person as they are; of a model, its Markdown. While they are spoken, grey until they are firm. */
function contentOf(turn) {
  if (turn.caption) return captionOf(turn.caption);
  if (turn.role !== "assistant") return [turn.text];
  const thought =
    turn.thought && element("details", { class: "thought" }, element("summary", {}, "Thought first"), turn.thought);
  return [thought, turn.text ? Markdown.render(turn.text) : element("span", { class: "wait" }, "…")].filter(Boolean);
}

function captionOf({ firm, open }) {
  if (!firm && !open) return [element("span", { class: "wait" }, "…")];
  return [element("span", { class: "firm" }, firm), element("span", { class: "wait" }, open)];
}

const ENDED_BY_LENGTH = "It came to its most tokens: the answer ends here.";

function noteOf(turn) {
  const text = turn.failed ?? turn.cut;
  return text ? element("p", { class: turn.failed ? "note wrong" : "note" }, text) : null;
}

/** What is known of the instance that answered. */
function factsOf(turn) {
  const { life } = turn;
  if (!life && turn.role === "assistant" && turn.isSpoken) return element("span", { class: "facts" }, UNCHECKED);
  if (!life) return null;
  const { birth_ms: born, first_token_ms: first, tokens_per_second: rate } = life.facts;
  const facts = [
    born !== undefined && `born in ${duration(born)}`,
    first !== undefined && `first token ${duration(first)}`,
    rate && `${rate.toFixed(1)} tokens/s`,
    SHORT[life.receipt.state],
  ];
  const text = facts.filter(Boolean).join(" · ");
  const attributes = { class: "facts", "data-state": life.receipt.state };
  return life.receipt.text ? button(text, () => showReceipt(life), attributes) : element("span", attributes, text);
}

const UNCHECKED = "spoken: no receipt is checked here";
const SHORT = {
  checked: "gone, checked",
  wrong: "receipt does not hold",
  missing: "no receipt",
  unchecked: "receipt not checked",
};

/** The time between two turns in which nothing of the conversation existed; the longer, the more room it takes. */
function gapBefore(turn, before) {
  if (turn.role !== "user" || !before?.ended || !turn.at) return null;
  if (turn.session && turn.session === before.session) return null; // somebody was there
  const ms = Math.max(0, turn.at - before.ended);
  const gap = element("p", { class: "between" }, `nothing, for ${longDuration(ms)}`);
  gap.style.setProperty("--gap", Math.min(12, Math.log2(1 + ms / 1000)).toFixed(2));
  return gap;
}

async function copy(text, pressed) {
  try {
    await navigator.clipboard.writeText(text);
    pressed.textContent = "Copied";
  } catch {
    pressed.textContent = "Not allowed";
  }
}

/** A field as high as what is in it, within the window. */
function fit(box) {
  box.style.height = "auto";
  box.style.height = `${Math.min(box.scrollHeight + 2, innerHeight / 2)}px`;
}
