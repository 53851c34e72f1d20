// Many deltas in one run of bytes, verbatim, with what is known of each:
//   format byte 1 · count of clients, clients · count of deltas, deltas
//   client: text · delta: ts (8 bytes), place of its client, schema version, bytes
// Counts and places are unsigned LEB128; texts and bytes come after their length. A client's id, longer than most
// deltas, stands there once.

export interface ArchivedDelta {
  readonly ts: bigint;
  readonly client: string;
  readonly schemaVersion: number;
  readonly bytes: ArrayBuffer;
}

const format = 1;

export function packDeltas(deltas: readonly ArchivedDelta[]): ArrayBuffer {
  const pieces: Uint8Array[] = [Uint8Array.of(format)];
  const clients = [...new Set(deltas.map(({ client }) => client))];
  const places = new Map(clients.map((client, place) => [client, place]));
  const addBytes = (bytes: Uint8Array) => pieces.push(toVarint(bytes.length), bytes);
  pieces.push(toVarint(clients.length));
  for (const client of clients) addBytes(new TextEncoder().encode(client));
  pieces.push(toVarint(deltas.length));
  for (const { ts, client, schemaVersion, bytes } of deltas) {
    const fixed = new Uint8Array(8);
    new DataView(fixed.buffer).setBigInt64(0, ts);
    pieces.push(fixed, toVarint(places.get(client) as number), toVarint(schemaVersion));
    addBytes(new Uint8Array(bytes));
  }
  return join(pieces);
}

/** @throws RangeError if these are no packed deltas */
export function unpackDeltas(packed: ArrayBuffer): ArchivedDelta[] {
  const bytes = new Uint8Array(packed);
  const view = new DataView(packed);
  let at = 0;
  const take = (length: number): number => {
    const from = at;
    at += length;
    if (at > bytes.length) throw new RangeError(`Packed deltas end in the middle, at byte ${bytes.length}.`);
    return from;
  };
  const varint = (): number => {
    let [value, scale, byte] = [0, 1, 0];
    do {
      byte = bytes[take(1)] as number;
      value += (byte & 127) * scale;
      scale *= 128;
    } while (byte > 127);
    return value;
  };
  const run = (): Uint8Array => {
    const length = varint();
    const from = take(length);
    return bytes.subarray(from, from + length);
  };
  const found = bytes[take(1)];
  if (found !== format) throw new RangeError(`Packed deltas begin with byte ${format}, these with ${found}.`);
  const clients = Array.from({ length: varint() }, () => new TextDecoder().decode(run()));
  return Array.from({ length: varint() }, () => {
    const ts = view.getBigInt64(take(8));
    const client = clients[varint()] as string;
    const schemaVersion = varint();
    return { ts, client, schemaVersion, bytes: run().slice().buffer };
  });
}

function toVarint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 127) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

function join(pieces: readonly Uint8Array[]): ArrayBuffer {
  const joined = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.length;
  }
  return joined.buffer;
}
