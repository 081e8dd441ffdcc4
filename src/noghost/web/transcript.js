"use strict";

/** A conversation as its caller keeps it, in Markdown: spec/transcript-v1.md. What was not changed keeps its bytes. */
const Transcript = (() => {
  const SPACE = "[ \\t\\r]*";
  const ROLE_LINE = `\\*\\*(USER|ASSISTANT|SYSTEM|TOOL):\\*\\*${SPACE}`;
  const whole = (pattern) => new RegExp(`^(?:${pattern})$`);
  const BLANK = whole(SPACE);
  const SEPARATOR = whole(`---${SPACE}`);
  const ROLE = whole(ROLE_LINE);
  const FACTS = whole(`<!-- noghost:([^]*)-->${SPACE}`);
  const TITLE = whole(`\\ufeff?# (Conversation|Voice Conversation): ([^ \\t\\r][^]*?)${SPACE}`);
  const STARTED = whole(`\\*(\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d)\\*${SPACE}`);
  // A line of a text that would be taken for one of the format's; only a line feed ends a line here.
  const SPECIAL = `\\\\*(?:${ROLE_LINE}(?![^\\n])|<!-- noghost:)`;
  const TO_ESCAPE = new RegExp(`(?<![^\\n])(?=${SPECIAL})`, "g");
  const ESCAPED = new RegExp(`(?<![^\\n])\\\\(?=${SPECIAL})`, "g");

  class TranscriptError extends Error {
    constructor(line, reason) {
      super(`line ${line}: ${reason}`);
      this.line = line;
    }
  }

  // --- reading -------------------------------------------------------------------------------------------------

  /** The text of a file's bytes; raises TranscriptError with the line that is not UTF-8. */
  function decode(bytes) {
    try {
      return Bytes.decode(bytes);
    } catch {
      let start = 0;
      for (let line = 1; ; line++) {
        const end = bytes.indexOf(10, start) + 1 || bytes.length;
        try {
          Bytes.decode(bytes.subarray(start, end));
        } catch {
          throw new TranscriptError(line, "this is not UTF-8");
        }
        start = end;
      }
    }
  }

  /** {title, model, started, newline, source, turns}; a turn is {role, text, facts, unread, source}. */
  function parse(text) {
    const newline = text.split("\n", 1)[0].endsWith("\r") ? "\r\n" : "\n";
    const pieces = text.match(/[^\n]*\n|[^\n]+/g) ?? [];
    const lines = bare(pieces, newline);
    const [head, end] = parseHead(lines);
    const starts = startsOf(lines, end);
    const source = (from, to) => pieces.slice(from, to).join("");
    const turns = starts.slice(0, -1).map((start, index) => parseTurn(source(start, starts[index + 1]), newline));
    return { ...head, newline, source: source(0, starts[0]), turns };
  }

  function bare(pieces, newline) {
    const end = newline === "\n" ? /\n$/ : /\r?\n$|\r$/;
    return pieces.map((piece) => piece.replace(end, ""));
  }

  function parseHead(lines) {
    const title = TITLE.exec(lines[0] ?? "");
    if (!title) throw new TranscriptError(1, "this is no title of a transcript");
    const at = nextLine(lines, 1);
    const started = STARTED.exec(lines[at] ?? "");
    if (!started || !exists(started[1])) throw new TranscriptError(at + 1, "the time is missing or does not exist");
    const end = nextLine(lines, at + 1);
    if (!SEPARATOR.test(lines[end] ?? "")) throw new TranscriptError(end + 1, "the head is not closed");
    return [{ title: title[1], model: title[2], started: started[1] }, end];
  }

  /** Whether a time is one of the calendar: one that is none comes back as another. */
  function exists(started) {
    const iso = started.replace(" ", "T");
    const date = new Date(`${iso}Z`);
    return !iso.startsWith("0000") && !isNaN(date) && date.toISOString().startsWith(iso);
  }

  function nextLine(lines, from) {
    let index = from;
    while (index < lines.length && BLANK.test(lines[index])) index++;
    return index;
  }

  /** Where each turn begins, and where the file ends: after each `---` before a role's line or the end. */
  function startsOf(lines, end) {
    const cuts = [];
    lines.forEach((line, index) => {
      const after = SEPARATOR.test(line) ? nextLine(lines, index + 1) : -1;
      if (after === lines.length || ROLE.test(lines[after] ?? "")) cuts.push([index, after]);
    });
    if (cuts[0]?.[0] !== end) throw new TranscriptError(nextLine(lines, end + 1) + 1, "no turn begins here");
    const starts = cuts.map(([, after]) => after);
    if (starts.at(-1) !== lines.length)
      throw new TranscriptError(starts.at(-1) + 1, "the turn that begins here is not closed");
    return starts;
  }

  function parseTurn(source, newline) {
    const [first, ...rest] = bare(source.match(/[^\n]*\n|[^\n]+/g), newline);
    const body = trimmed(rest).slice(0, -1);
    const known = FACTS.exec(trimmed(body).at(-1) ?? "");
    const text = inner(known ? trimmed(body).slice(0, -1) : body)
      .join("\n")
      .replace(ESCAPED, "");
    const facts = known && parseFacts(known[1]);
    const unread = known && !facts ? known[1].trim() : "";
    return { role: ROLE.exec(first)[1].toLowerCase(), text, facts: facts ?? {}, unread, source };
  }

  /** Without the blank lines at the end. */
  function trimmed(lines) {
    let end = lines.length;
    while (end && BLANK.test(lines[end - 1])) end--;
    return lines.slice(0, end);
  }

  /** Without one blank line before and one after. */
  function inner(lines) {
    const from = lines.length && BLANK.test(lines[0]) ? lines.slice(1) : lines;
    return from.length && BLANK.test(from.at(-1)) ? from.slice(0, -1) : from;
  }

  /** The JSON object, or null: another value, no JSON, a name twice. */
  function parseFacts(text) {
    try {
      const found = JSON.parse(text, asWritten);
      return found && typeof found === "object" && !Array.isArray(found) && isUnique(text) ? found : null;
    } catch {
      return null;
    }
  }

  /** A number that would be written in another way (1.0) stays as it is written: commitments are over bytes. */
  function asWritten(_name, value, { source } = {}) {
    const isOther = typeof value === "number" && source !== undefined && String(value) !== source;
    return isOther && JSON.rawJSON ? JSON.rawJSON(source) : value;
  }

  /** Whether no object in this JSON has a name twice. */
  function isUnique(json) {
    const open = [];
    for (const [token, text, isName] of json.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|[{}[\]]/g)) {
      if (token === "{" || token === "[") open.push(new Set());
      else if (token === "}" || token === "]") open.pop();
      else if (isName) {
        const name = JSON.parse(text);
        if (open.at(-1).has(name)) return false;
        open.at(-1).add(name);
      }
    }
    return true;
  }

  // --- writing -------------------------------------------------------------------------------------------------

  /** The file's text; the head and the turns that have a source as they were read. */
  function render({ title, model, started, newline, source, turns }) {
    const head = `# ${title}: ${model}\n*${started}*\n\n---\n\n`;
    let text = source ?? head.replaceAll("\n", newline);
    for (const turn of turns) {
      if (turn.source === undefined || !text.endsWith("\n")) text += toBlankLine(text, newline);
      text += turn.source ?? renderTurn(turn).replaceAll("\n", newline);
    }
    return text;
  }

  function renderTurn({ role, text, facts, unread }) {
    const known = Object.keys(facts).length ? renderFacts(facts) : unread;
    const comment = known ? [`<!-- noghost: ${known} -->`] : [];
    const escaped = text.replace(TO_ESCAPE, "\\");
    return [`**${role.toUpperCase()}:**`, escaped, ...comment, "---", ""].join("\n\n");
  }

  /** One line of ASCII, names sorted, no two hyphens in a row: nothing in it can end the comment. */
  function renderFacts(facts) {
    const ascii = (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
    return sortedJson(facts)
      .replace(/[\u007f-\uffff]/g, ascii)
      .replaceAll("--", "-\\u002d");
  }

  function toBlankLine(text, newline) {
    if (!text.endsWith("\n")) return newline.repeat(2);
    return text.endsWith(newline.repeat(2)) ? "" : newline;
  }

  return { decode, parse, render, TranscriptError };
})();

/** JSON without spaces, the names of each object sorted: the same bytes for the same value. */
function sortedJson(value) {
  if (Array.isArray(value)) return `[${value.map(sortedJson).join(",")}]`;
  if (value === null || typeof value !== "object" || JSON.isRawJSON?.(value)) return JSON.stringify(value);
  const pairs = Object.keys(value)
    .sort()
    .map((name) => `${JSON.stringify(name)}:${sortedJson(value[name])}`);
  return `{${pairs.join(",")}}`;
}
