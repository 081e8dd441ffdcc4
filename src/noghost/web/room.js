"use strict";

/** The room beside the conversation: who is there, how far its life has come, and how long nobody has been there. */
class Room {
  #life = null;
  #emptySince = null; // ms, of the clock on the wall

  constructor() {
    setInterval(() => this.#tick(), 1000);
    const wide = matchMedia("(min-width: 64rem)");
    const fold = () => (byId("life").open = wide.matches);
    wide.addEventListener("change", fold);
    fold();
    this.draw();
  }

  /** Somebody knocks. */
  enter(life) {
    this.#life = life;
    this.#emptySince = null;
    this.draw();
  }

  /** It has left, unless somebody else has come meanwhile. */
  leave(life, atMs) {
    if (life === this.#life) this.#emptySince = atMs;
    this.draw();
  }

  /** Another conversation, in which nobody has been since then; null: nobody ever was. */
  clear(sinceMs) {
    [this.#life, this.#emptySince] = [null, sinceMs];
    this.draw();
  }

  draw() {
    const life = this.#life;
    const state = this.#state();
    byId("room").dataset.state = state;
    byId("state").textContent = STATES[state];
    byId("life").hidden = life === null || life.isSpoken;
    if (life) {
      byId("steps").replaceChildren(...life.steps().map(stepItem));
      byId("receipt").replaceChildren(receiptLine(life), fateLine(life));
    }
    this.#tick();
  }

  #state() {
    if (!this.#life || this.#emptySince !== null) return "empty";
    if (this.#life.ending) return "leaving";
    return this.#life.isThere ? "alive" : "knock";
  }

  #tick() {
    const life = this.#life;
    const isLiving = life && this.#emptySince === null;
    const since = isLiving ? life.now() : Date.now() - this.#emptySince;
    const isKnown = isLiving || this.#emptySince !== null;
    const name = life?.instance ? `${life.instance.slice(0, 8)}, for` : "For";
    byId("gap-label").textContent = isLiving ? name : isKnown ? "Empty for" : "";
    byId("gap").textContent = isKnown ? longDuration(Math.max(0, since)) : "";
  }
}

const STATES = { empty: "Nobody is here.", knock: "You knocked.", alive: "Somebody is here.", leaving: "Being wiped." };
const MARKS = { done: "done", told: "as the service says", now: "happening", ahead: "not yet", wrong: "not so", unknown: "not known" };

function stepItem({ name, note, state }) {
  const hidden = element("span", { class: "hidden" }, ` (${MARKS[state]})`);
  return element(
    "li",
    { "data-state": state },
    element("span", {}, name, hidden),
    element("span", { class: "at" }, note),
  );
}

/** What the receipt is worth, in a line; all of it at a click. */
function receiptLine(life) {
  const { state, why } = life.receipt;
  if (state === "none") return "";
  const line = element(
    "p",
    { class: "verdict", "data-state": state },
    VERDICTS[state],
    why ? element("small", {}, why) : "",
  );
  if (life.receipt.text) line.append(button("Show the receipt", () => showReceipt(life)));
  return line;
}

/** Why the last steps have no times, where the service told none. */
const fateLine = ({ fateless }) =>
  fateless ? element("p", { class: "fateless" }, `When it was wiped is not known here. ${fateless}`) : "";

const VERDICTS = {
  pending: "Waiting for the receipt",
  checked: "Receipt checked in this browser",
  wrong: "This receipt does not hold",
  missing: "No receipt",
  unchecked: "Receipt not checked",
};

function showReceipt(life) {
  const { verified, text, why } = life.receipt;
  const rows = verified ? receiptRows(verified, life) : [["why not", why]];
  const list = element(
    "dl",
    {},
    ...rows.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]),
  );
  byId("receipt-full").replaceChildren(
    list,
    element("pre", { tabindex: "0", "aria-label": "The receipt's text" }, text),
  );
  byId("receipt-dialog").showModal();
}

const SINCE = {
  first: "the first receipt of this log on this page: its key is taken from the receipt",
  same: "the same state of the log as before",
  proved: "the log only grew since the receipt before",
  unchecked: "by the key of the receipts before; that the log only grew since is not checked here",
};

function receiptRows({ id, opened, ended, checkpoint, since }, { receipt }) {
  const rows = [
    ["instance", id],
    ["opened", opened.minute],
    ["weights", opened.weights],
    ["tied to", receipt.tied.join(" and ") || "nothing: there is no commitment"],
    ["signed by", `${checkpoint.origin}, Ed25519, ${checkpoint.size.toLocaleString("en")} entries`],
    ["history", SINCE[since]],
  ];
  if (!ended) return [...rows, ["end", "not recorded yet"]];
  const pages = (bucket) => `${Entry.range(bucket)} pages`;
  return [
    ...rows,
    ["end", `${ended.outcome}, ${ended.minute}`],
    ["wipe", `${ended.wipe}: ${pages(ended.wiped_pages)} zeroed, ${pages(ended.verified_pages)} read back`],
    ["refused calls", Entry.range(ended.refused_calls)],
  ];
}
