"use strict";

/** The Merkle tree of RFC 6962, section 2.1, and its proofs. Sizes and indexes are BigInt. */
const Log = (() => {
  const leafHash = (entry) => Bytes.sha256(Bytes.join(new Uint8Array([0]), entry));
  const nodeHash = (left, right) => Bytes.sha256(Bytes.join(new Uint8Array([1]), left, right));

  /** Whether `path` leads from the leaf at `index` to the root of `size` leaves. */
  async function includes(leaf, index, size, path, root) {
    if (index >= size) return false;
    let [step, last, digest] = [index, size - 1n, leaf];
    for (const sibling of path) {
      if (last === 0n) return false;
      if (step & 1n || step === last) {
        digest = await nodeHash(sibling, digest);
        while (step && !(step & 1n)) [step, last] = [step >> 1n, last >> 1n];
      } else {
        digest = await nodeHash(digest, sibling);
      }
      [step, last] = [step >> 1n, last >> 1n];
    }
    return last === 0n && Bytes.isEqual(digest, root);
  }

  /** Whether the tree of `size` leaves begins with the one of `old` leaves. */
  async function grew(old, oldRoot, size, root, path) {
    if (old <= 0n || old > size || (old === size && path.length)) return false;
    if (old === size) return Bytes.isEqual(oldRoot, root);
    const hashes = old & (old - 1n) ? path : [oldRoot, ...path];
    if (!hashes.length) return false;
    let [step, last] = [old - 1n, size - 1n];
    while (step & 1n) [step, last] = [step >> 1n, last >> 1n];
    let [older, newer] = [hashes[0], hashes[0]];
    for (const digest of hashes.slice(1)) {
      if (last === 0n) return false;
      if (step & 1n || step === last) {
        [older, newer] = [await nodeHash(digest, older), await nodeHash(digest, newer)];
        while (step && !(step & 1n)) [step, last] = [step >> 1n, last >> 1n];
      } else {
        newer = await nodeHash(newer, digest);
      }
      [step, last] = [step >> 1n, last >> 1n];
    }
    return last === 0n && Bytes.isEqual(older, oldRoot) && Bytes.isEqual(newer, root);
  }

  return { leafHash, includes, grew };
})();
