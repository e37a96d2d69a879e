// A second implementation of the formats in docs/formats.md, written from that
// text with nothing but Node's crypto. It checks every vector beside it.
import { createHash, createDecipheriv } from "node:crypto";
import { readFileSync } from "node:fs";
import { deepStrictEqual, strictEqual } from "node:assert";

const read = (name) => JSON.parse(readFileSync(new URL("vectors/" + name, import.meta.url), "utf8"));
const sha = (...bytes) => createHash("sha256").update(Buffer.concat(bytes)).digest();
const hex = (s) => Buffer.from(s, "hex");
const ascii = (s) => Buffer.from(s, "latin1");
const uint = (n, bytes) => hex(BigInt(n).toString(16).padStart(bytes * 2, "0"));
let checked = 0;

// RFC 6962: leaves under 0x00, nodes under 0x01, the left subtree the largest
// power of two smaller than the whole.
const nodeHash = (l, r) => sha(Buffer.of(1), l, r);
function root(hashes) {
  if (hashes.length === 0) return sha();
  if (hashes.length === 1) return hashes[0];
  let k = 1;
  while (2 * k < hashes.length) k *= 2;
  return nodeHash(root(hashes.slice(0, k)), root(hashes.slice(k)));
}

function partHash(p) {
  const salt = hex(p.salt), name = ascii(p.name), data = hex(p.data);
  strictEqual(salt.length, 32);
  return sha(Buffer.of(0), ascii("trefoil/part/v1\0"), salt, uint(name.length, 2), name, uint(data.length, 4), data);
}

function leafText(l, commit) {
  const fields = [
    ["gate", l.gate], ["epoch", l.epoch], ["seq", l.seq], ["time", l.time], ["kind", l.kind], ["rules", l.rules],
    ["outcome", l.outcome], ["purpose", l.purpose || "-"], ["prev", l.prev], ["commit", commit],
  ];
  return "trefoil/leaf/v1\n" + fields.map(([name, value]) => name + " " + value + "\n").join("");
}

const tree = [];
let prev = Buffer.alloc(32);
for (const v of read("log.json")) {
  strictEqual(Number(v.leaf.seq), tree.length);
  strictEqual(v.leaf.prev, prev.toString("base64"), "prev of entry " + v.leaf.seq);
  const hashes = v.parts.map(partHash);
  v.parts.forEach((p, i) => strictEqual(hashes[i].toString("base64"), p.hash, "part " + p.name));
  const commit = root(hashes).toString("base64");
  strictEqual(commit, v.commit, "commit of entry " + v.leaf.seq);
  const text = leafText(v.leaf, commit);
  strictEqual(text, v.text);
  const leaf = Buffer.from(text, "utf8");
  prev = sha(Buffer.of(0), leaf);
  strictEqual(prev.toString("base64"), v.leafHash);
  tree.push(prev);
  strictEqual(root(tree).toString("base64"), v.root, "root up to entry " + v.leaf.seq);
  const entry = [uint(leaf.length, 2), leaf, uint(v.parts.length, 2)];
  for (const p of v.parts) {
    const data = hex(p.data);
    entry.push(uint(p.name.length, 1), ascii(p.name), hex(p.salt), uint(data.length, 4), data);
  }
  strictEqual(Buffer.concat(entry).toString("hex"), v.entry);
  checked++;
}

// Batches of statements: each line under a salt of its own, a tree over the lines.
function path(hashes, i) {
  if (hashes.length < 2) return [];
  let k = 1;
  while (2 * k < hashes.length) k *= 2;
  return i < k
    ? [...path(hashes.slice(0, k), i), root(hashes.slice(k))]
    : [...path(hashes.slice(k), i - k), root(hashes.slice(0, k))];
}
for (const v of read("statements.json")) {
  const salts = v.lines.map((_, i) => sha(ascii("trefoil/statement/v1\0"), hex(v.salt), uint(i, 8)));
  const hashes = v.lines.map((line, i) => sha(Buffer.of(0), salts[i], Buffer.from(line, "utf8")));
  deepStrictEqual(salts.map((s) => s.toString("hex")), v.salts);
  deepStrictEqual(hashes.map((h) => h.toString("base64")), v.hashes);
  strictEqual(root(hashes).toString("base64"), v.root);
  v.lines.forEach((_, i) => deepStrictEqual(path(hashes, i).map((h) => h.toString("base64")), v.paths[i], "path of line " + i));
  checked++;
}

// AES-256-GCM, nonce of zeros, the entry's sequence as additional data; inside:
// len8 name ‖ name ‖ salt32 ‖ bytes.
for (const v of read("sealed.json")) {
  const sealed = hex(v.sealed), body = sealed.subarray(0, -16);
  const open = createDecipheriv("aes-256-gcm", hex(v.key), Buffer.alloc(12));
  open.setAAD(uint(v.seq, 8));
  open.setAuthTag(sealed.subarray(-16));
  const plain = Buffer.concat([open.update(body), open.final()]);
  const n = 1 + plain[0];
  const part = { name: plain.toString("latin1", 1, n), salt: plain.toString("hex", n, n + 32), data: plain.toString("hex", n + 32) };
  strictEqual(part.name, v.part.name);
  strictEqual(part.salt, v.part.salt);
  strictEqual(part.data, v.part.data);
  strictEqual(partHash(part).toString("base64"), v.part.hash);
  checked++;
}

// RFC 8785, whole numbers of at most 53 bits. JavaScript orders strings by
// UTF-16 code units and writes them as the RFC asks.
function canonical(v) {
  if (Array.isArray(v)) return "[" + v.map(canonical).join(",") + "]";
  if (v !== null && typeof v === "object")
    return "{" + Object.keys(v).sort().map((k) => JSON.stringify(k) + ":" + canonical(v[k])).join(",") + "}";
  if (typeof v === "number" && !Number.isSafeInteger(v)) throw new Error("not a whole number of 53 bits");
  return JSON.stringify(v);
}
for (const v of read("canonical.json")) {
  let got = null;
  try {
    // JSON.parse does not show how a number was written: fractions and exponents are refused as such.
    if (!/^-?\d+[.eE]/.test(v.in)) got = canonical(JSON.parse(v.in));
  } catch {}
  strictEqual(got, v.out, v.in);
  checked++;
}

for (const v of read("ids.json")) {
  let seq = BigInt(v.seq), id = "";
  for (; seq > 0n || id.length < 4; seq >>= 5n) id = "abcdefghijklmnopqrstuvwxyz234567"[Number(seq & 31n)] + id;
  strictEqual("g-" + id, v.id);
  checked++;
}
console.log(checked + " vectors agree");
