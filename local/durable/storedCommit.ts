import { deserialize, serialize } from "node:v8";
import type { Document } from "../engine/engine.js";
import { DataDirectoryError } from "./dataDirectoryError.js";
import { maxPayloadBytes } from "./frame.js";

/** A table that is seen for the first time. */
export interface StoredTable {
  /** The component that it is in. */
  readonly component: string;
  readonly name: string;
  readonly number: number;
}

export interface StoredWrite {
  /** The engine's own key of the table: any string. */
  readonly table: string;
  readonly id: string;
  /** Null: removed. */
  readonly after: Document | null;
}

/** What a commit leaves behind: table numbers that are new, and documents as they are after it. */
export interface StoredCommit {
  /** Nanoseconds since 1970. */
  readonly ts: bigint;
  readonly tables: readonly StoredTable[];
  readonly writes: readonly StoredWrite[];
}

/** Without names that each record would repeat. */
type Packed = [ts: bigint, tables: (string | number)[], writes: (string | Document | null)[]];

const lengthBytes = 4;

/**
 * Its length, and the commit in V8's own serialization: it knows bigint and ArrayBuffer, and later versions of V8
 * read it.
 *
 * @throws DataDirectoryError `misuse` if it is longer than a record may be
 * @throws Error (DataCloneError) for what is no value: a function, a symbol
 */
export function encodeCommit({ ts, tables, writes }: StoredCommit): Buffer {
  const packed: Packed = [
    ts,
    tables.flatMap(({ component, name, number }) => [component, name, number]),
    writes.flatMap(({ table, id, after }) => [table, id, after]),
  ];
  const body = serialize(packed);
  if (body.length + lengthBytes > maxPayloadBytes)
    throw new DataDirectoryError(
      "misuse",
      `A commit of ${body.length} bytes is larger than the ${maxPayloadBytes} that a record may have: commit it in parts.`,
    );
  const length = Buffer.allocUnsafe(lengthBytes);
  length.writeUInt32LE(body.length);
  return Buffer.concat([length, body]);
}

/** What {@link encodeCommit} made, any number of times, in one buffer. @throws Error if it is not that */
export function* decodeCommits(payload: Buffer): Generator<StoredCommit> {
  for (let at = 0; at < payload.length;) {
    const start = at + lengthBytes;
    at = start + payload.readUInt32LE(at);
    const [ts, tables, writes] = deserialize(payload.subarray(start, at)) as Packed;
    yield {
      ts,
      tables: triples(tables).map(
        ([component, name, number]) => ({ component, name, number }) as StoredTable,
      ),
      writes: triples(writes).map(([table, id, after]) => ({ table, id, after }) as StoredWrite),
    };
  }
}

function triples<T>(flat: readonly T[]): [T, T, T][] {
  return Array.from({ length: flat.length / 3 }, (_, at) => flat.slice(at * 3, at * 3 + 3) as [T, T, T]);
}
