"use strict";

/** One ledger entry, a birth or an end: spec/receipt-v1.md, section "Entry". */
const Entry = (() => {
  const DIGEST = "[0-9a-f]{64}";
  const BUCKET = "[0-9]|[1-5][0-9]|6[0-4]";
  const OPENED = {
    minute: "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}Z",
    id: "[0-9a-f]{32}",
    weights: `${DIGEST}|remote/[a-z0-9](?:[a-z0-9.-]{0,98}[a-z0-9])?`,
    release: "[0-9A-Za-z.+-]{1,32}",
    build: DIGEST,
    policy: DIGEST,
    host: "[a-z0-9=_,.-]{1,128}",
    processor: "[a-z0-9_=.]{1,192}",
    context: "[1-9][0-9]{0,6}",
    batch: "[a-z0-9-]{1,16}",
    threads: "free|[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-6]",
    template: `-|${DIGEST}`,
    seed: "-|0|[1-9][0-9]{0,9}",
    commitment: `-|${DIGEST}`,
  };
  const ENDED = {
    minute: OPENED.minute,
    id: OPENED.id,
    outcome: "answered|refused|disconnected|timeout|crashed|killed|aborted|lost",
    wipe: "verified|unverified|failed|unseen",
    wiped_pages: BUCKET,
    verified_pages: BUCKET,
    prompt_tokens: BUCKET,
    answer_tokens: BUCKET,
    refused_calls: BUCKET,
    commitment: OPENED.commitment,
  };
  const FORMS = { opened: OPENED, closed: ENDED, lost: ENDED };
  const MOST_SEED = 2 ** 32 - 2;

  const pattern = (kind) => {
    const lines = Object.entries(FORMS[kind]).map(([key, form]) => `${key} (?<${key}>${form})\\n`);
    return new RegExp(`^version 1\\nkind (?<kind>${kind})\\n${lines.join("")}$`);
  };
  const PATTERNS = Object.fromEntries(Object.keys(FORMS).map((kind) => [kind, pattern(kind)]));

  /** The fields of the entry whose one text this is; null for every other text. */
  function parse(kind, text) {
    const found = text.length <= 1024 ? PATTERNS[kind].exec(text) : null;
    if (!found || !exists(found.groups.minute)) return null;
    const entry = { ...found.groups };
    return (kind === "opened" ? isBirth(entry) : isEnd(entry)) ? entry : null;
  }

  /** Whether a minute is one of the calendar: a date that is none comes back as another. */
  function exists(minute) {
    const date = new Date(minute.replace("Z", ":00Z"));
    return !minute.startsWith("0000") && !isNaN(date) && date.toISOString().startsWith(minute.slice(0, 16));
  }

  function isBirth(entry) {
    if (entry.seed !== "-" && Number(entry.seed) > MOST_SEED) return false;
    const here = !entry.weights.startsWith("remote/");
    return here || (entry.threads === "free" && entry.template === "-" && entry.seed === "-");
  }

  function isEnd(entry) {
    const [wiped, verified] = [Number(entry.wiped_pages), Number(entry.verified_pages)];
    const lost = entry.kind === "lost";
    if (lost !== (entry.outcome === "lost")) return false;
    if (lost && (entry.wipe !== "unseen" || entry.refused_calls !== "0")) return false;
    if (lost && entry.commitment !== "-") return false;
    if (entry.wipe === "unseen" && (wiped || verified)) return false;
    return entry.wipe !== "verified" || verified >= wiped;
  }

  /** A bucket as people read it: 0, 1, 2–3, 32–63. */
  function range(bucket) {
    const k = BigInt(bucket);
    return k < 2n ? String(k) : `${(1n << (k - 1n)).toLocaleString("en")}–${((1n << k) - 1n).toLocaleString("en")}`;
  }

  return { parse, range, OPENED };
})();
