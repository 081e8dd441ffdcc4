"use strict";

/** A receipt, read and checked in the browser: spec/receipt-v1.md. The service is not asked whether it is right. */
const Receipt = (() => {
  const HEADER = "noghost-receipt/v1";
  const PROOF = "c2sp.org/tlog-proof@v1";
  const MOST_BYTES = 65536;
  const MOST_SIGNATURES = 32;
  const SIZE = "(?:0|[1-9][0-9]{0,17})";
  const NAME = /^[^\s+\u0000-\u0020\ud800-\udfff]{1,128}$/;
  const FLOWS = ["opened,proof", "opened,proof,closed,proof", "opened,proof,lost,proof"];

  class ReceiptError extends Error {}

  function need(good, why) {
    if (!good) throw new ReceiptError(why);
  }

  // --- reading -------------------------------------------------------------------------------------------------

  /** {vkey, items: [{kind, text, entry, proof}], grown}; raises ReceiptError unless it is exactly a receipt's form. */
  function parse(text) {
    need(Bytes.encode(text).length <= MOST_BYTES, "it is too long");
    const [head, ...rest] = text.split(/(?<![^\n])=== ([a-z]+)\n/);
    const names = rest.filter((_, index) => index % 2 === 0);
    const bodies = rest.filter((_, index) => index % 2 === 1);
    const grown = names.at(-1) === "consistency" ? parseGrowth(bodies.at(-1)) : null;
    const flow = (grown ? names.slice(0, -1) : names).join(",");
    const vkey = /^noghost-receipt\/v1\nvkey ([^\n]+)\n$/.exec(head);
    need(vkey && FLOWS.includes(flow), `it does not have the parts of ${HEADER}`);
    const items = [];
    for (let index = 0; index + 1 < names.length; index += 2)
      items.push(parseItem(names[index], ...bodies.slice(index)));
    return { vkey: vkey[1], items, grown };
  }

  function parseItem(kind, text, proof) {
    const entry = Entry.parse(kind, text);
    need(entry, "an entry of it is malformed");
    return { kind, text, entry, proof: parseProof(proof) };
  }

  function parseProof(text) {
    const found = new RegExp(`^${PROOF}\\nindex (${SIZE})\\n((?:[^\\n]+\\n)*)\\n([^]+)$`).exec(text);
    need(found, "a proof of it is cut");
    return { index: BigInt(found[1]), path: hashes(found[2]), checkpoint: found[3] };
  }

  function parseGrowth(text) {
    const found = new RegExp(`^since (${SIZE})\\nroot ([^\\n]+)\\n((?:[^\\n]+\\n)*)$`).exec(text);
    need(found, "its consistency section is cut");
    return { since: BigInt(found[1]), root: hashes(`${found[2]}\n`)[0], path: hashes(found[3]) };
  }

  /** One base64 line each. */
  function hashes(text) {
    const found = text.split("\n").slice(0, -1).map(Bytes.from64);
    need(found.length <= 64 && found.every((hash) => hash?.length === 32), "a hash of it is malformed");
    return found;
  }

  // --- checking ------------------------------------------------------------------------------------------------

  /** {name, id, key} of a verifier key: name+hash+base64(1 || key), the hash being of name, newline, 1 and key. */
  async function parseKey(vkey) {
    const [name, hash, ...rest] = vkey.split("+");
    const data = Bytes.from64(rest.join("+"));
    need(NAME.test(name) && data?.length === 33 && data[0] === 1, "its key is malformed");
    const id = (await Bytes.sha256(Bytes.join(Bytes.encode(`${name}\n`), data))).slice(0, 4);
    need(Bytes.toHex(id) === hash, "its key is malformed");
    return { name, id, key: data.slice(1) };
  }

  /** {origin, size, root} of a checkpoint that this key signed. */
  const openCheckpoint = async (note, verifier) => parseCheckpoint(await openNote(note, verifier), verifier.name);

  /** The text of a signed note that this key signed; signatures of other keys are ignored. */
  async function openNote(note, verifier) {
    const cut = note.lastIndexOf("\n\n");
    const [text, tail] = [note.slice(0, cut + 1), note.slice(cut + 2)];
    need(cut > 0 && !/[\u0000-\u0009\u000b-\u001f]/.test(text) && tail.endsWith("\n"), "its signed note is malformed");
    const signatures = tail.split("\n").slice(0, -1).map(parseSignature);
    need(signatures.length <= MOST_SIGNATURES, "its note has too many signatures");
    const ours = signatures.filter(({ name, id }) => name === verifier.name && Bytes.isEqual(id, verifier.id));
    need(ours.length, "its note is not signed by its key");
    const key = await crypto.subtle.importKey("raw", verifier.key, "Ed25519", false, ["verify"]);
    for (const { signature } of ours) {
      const good = await crypto.subtle.verify("Ed25519", key, signature, Bytes.encode(text));
      need(good, "the signature does not hold: the text was changed after it was signed");
    }
    return text;
  }

  function parseSignature(line) {
    const found = /^— ([^\s+]+) ([A-Za-z0-9+/=]+)$/.exec(line);
    const data = found && Bytes.from64(found[2]);
    need(data?.length >= 5, "a signature line of it is malformed");
    return { name: found[1], id: data.slice(0, 4), signature: data.slice(4) };
  }

  function parseCheckpoint(text, name) {
    const found = new RegExp(`^([^\\n]+)\\n(${SIZE})\\n([^\\n]+)\\n$`).exec(text);
    need(found && found[1] === name, "its checkpoint is not of this log");
    return { origin: found[1], size: BigInt(found[2]), root: hashes(`${found[3]}\n`)[0] };
  }

  /**
   * Check signature, inclusion, fit and growth. {id, opened, ended, checkpoint, vkey, since}; raises ReceiptError.
   *
   * `recall(log)`: {vkey, checkpoint} that were met before of this log; without them the receipt's own key is believed.
   * `since` says how the log stands to them: first, same, proved (it only grew), unchecked (this receipt cannot tell).
   */
  async function verify(text, recall = () => null) {
    const receipt = parse(text);
    const seen = recall(receipt.vkey.split("+", 1)[0]);
    need(!seen?.vkey || seen.vkey === receipt.vkey, "it names another key than the receipts before it");
    const signed = receipt.items[0].proof.checkpoint;
    const checkpoint = await openCheckpoint(signed, await parseKey(receipt.vkey));
    for (const { text: entry, proof } of receipt.items) {
      need(proof.checkpoint === signed, "its entries stand under different checkpoints");
      const leaf = await Log.leafHash(Bytes.encode(entry));
      const included = await Log.includes(leaf, proof.index, checkpoint.size, proof.path, checkpoint.root);
      need(included, "an entry is not in the signed log");
    }
    const [birth, end] = receipt.items;
    const fits = !end || (end.entry.id === birth.entry.id && end.proof.index > birth.proof.index);
    need(fits, "its entries are not one invocation's birth and end");
    const since = await growth(receipt.grown, checkpoint, seen?.checkpoint);
    const ended = end?.entry ?? null;
    return { id: birth.entry.id, opened: birth.entry, ended, checkpoint, vkey: receipt.vkey, since };
  }

  async function growth(grown, now, seen) {
    const other = "the log was rewritten since the receipts before it";
    if (grown) need(await Log.grew(grown.since, grown.root, now.size, now.root, grown.path), other);
    if (!seen || seen.size === 0n) return "first";
    need(seen.origin === now.origin, "it is of another log");
    if (seen.size === now.size) {
      need(Bytes.isEqual(seen.root, now.root), other);
      return "same";
    }
    if (grown?.since !== seen.size) return "unchecked";
    need(Bytes.isEqual(grown.root, seen.root), other);
    return "proved";
  }

  return { verify, parseKey, openNote, openCheckpoint, need, ReceiptError };
})();
