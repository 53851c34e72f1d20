import path from "node:path";
import type { Disk, DiskFile } from "./disk.js";

interface Pending {
  /** Null: the file is cut to `position`. */
  readonly bytes: Buffer | null;
  readonly position: number;
}

interface Content {
  /** What a reader sees. */
  now: Buffer;
  /** What was there at the last sync. */
  synced: Buffer;
  /** Since the last sync, in order. */
  pending: Pending[];
}

type Names = Map<string, Content>;

/** Where a crash strikes: 0 ≤ random() < 1. */
export type Random = () => number;

/** The same chances each time (mulberry32). */
export function randomFrom(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * A disk in memory, for tests: it can be full, refuse a step, stop at a step, and show what is left after the process
 * was killed (all that was written) or the power was lost (what was synced, and any part of what was not).
 */
export class SimulatedDisk implements Disk {
  #names: Names;
  /** As of the last sync of the folder. */
  #syncedNames: Names;
  /** Called before each step that changes or syncs something, which waits for it; what it throws, the step throws. */
  onStep: (step: string) => unknown = () => {};
  /** Of all files together. */
  capacityBytes = Infinity;
  /** What a write that does not fit, or at which the disk stops, writes of its bytes. */
  tearAt: (bytes: Buffer) => number = (bytes) => bytes.length >> 1;

  constructor(names: Names = new Map()) {
    this.#names = names;
    this.#syncedNames = new Map(names);
  }

  get files(): readonly string[] {
    return [...this.#names.keys()];
  }

  content(name: string): Buffer {
    const content = this.#names.get(name);
    if (content === undefined) throw new Error(`There is no ${name}.`);
    return content.now;
  }

  put(name: string, bytes: Buffer): void {
    const content = { now: bytes, synced: bytes, pending: [] };
    this.#names.set(name, content);
    this.#syncedNames.set(name, content);
  }

  drop(name: string): void {
    this.#names.delete(name);
    this.#syncedNames.delete(name);
  }

  /** What another process finds after this one was killed. Its lock is left out: here, it would be one that runs. */
  afterKill(): SimulatedDisk {
    return new SimulatedDisk(copyOf(this.#names, ({ now }) => now));
  }

  /** What is found after the power was lost: of what was not synced, any writes, any bytes of them, any names. */
  afterPowerLoss(random: Random): SimulatedDisk {
    const names = new Map(this.#syncedNames);
    for (const name of new Set([...this.#names.keys(), ...names.keys()])) {
      const content = this.#names.get(name);
      if (content === names.get(name) || random() < 0.5) continue;
      if (content === undefined) names.delete(name);
      else names.set(name, content);
    }
    return new SimulatedDisk(copyOf(names, (content) => tornContent(content, random)));
  }

  async makeFolder(): Promise<void> {
    await Promise.resolve();
  }

  async list(): Promise<string[]> {
    await Promise.resolve();
    return [...this.#names.keys()];
  }

  async open(file: string): Promise<DiskFile> {
    await Promise.resolve();
    return this.#file(path.basename(file));
  }

  async replace(file: string): Promise<DiskFile> {
    await this.#step(`create ${path.basename(file)}`);
    this.#names.set(path.basename(file), emptyContent());
    return this.#file(path.basename(file));
  }

  async create(file: string): Promise<DiskFile> {
    if (this.#names.has(path.basename(file))) throw errorOf("EEXIST", file);
    return this.replace(file);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#step(`rename ${path.basename(from)}`);
    const content = this.#names.get(path.basename(from));
    if (content === undefined) throw errorOf("ENOENT", from);
    this.#names.delete(path.basename(from));
    this.#names.set(path.basename(to), content);
  }

  async remove(file: string): Promise<void> {
    await this.#step(`remove ${path.basename(file)}`);
    this.#names.delete(path.basename(file));
  }

  async syncFolder(): Promise<void> {
    await this.#step("sync the folder");
    this.#syncedNames = new Map(this.#names);
  }

  async #step(step: string): Promise<void> {
    await Promise.resolve();
    await this.onStep(step);
  }

  #file(name: string): DiskFile {
    const content = this.#names.get(name);
    if (content === undefined) throw errorOf("ENOENT", name);
    const change = (pending: Pending) => {
      content.pending.push(pending);
      content.now = changed(content.now, pending);
    };
    const nameNow = () => [...this.#names].find(([, each]) => each === content)?.[0] ?? `removed ${name}`;
    const used = () => [...this.#names.values()].reduce((sum, { now }) => sum + now.length, 0);
    return {
      size: async () => content.now.length,
      read: async (target, position) => content.now.copy(target, 0, position),
      write: async (source, position) => {
        const bytes = Buffer.from(source);
        const torn = { bytes: bytes.subarray(0, this.tearAt(bytes)), position };
        try {
          await this.#step(`write ${nameNow()}`);
          if (used() + bytes.length > this.capacityBytes) throw errorOf("ENOSPC", name);
        } catch (error) {
          change(torn);
          throw error;
        }
        change({ bytes, position });
      },
      truncate: async (size) => {
        await this.#step(`truncate ${nameNow()}`);
        change({ bytes: null, position: size });
      },
      sync: async () => {
        await this.#step(`sync ${nameNow()}`);
        content.synced = content.now;
        content.pending = [];
      },
      close: async () => {},
    };
  }
}

function emptyContent(): Content {
  return { now: Buffer.alloc(0), synced: Buffer.alloc(0), pending: [] };
}

function changed(content: Buffer, { bytes, position }: Pending): Buffer {
  if (bytes === null) return content.subarray(0, position);
  const result = Buffer.alloc(Math.max(content.length, position + bytes.length));
  content.copy(result);
  bytes.copy(result, position);
  return result;
}

/** Unsynced writes may be there or not, in any order; of a write, any of its blocks. The file may have grown for it. */
function tornContent({ synced, pending }: Content, random: Random): Buffer {
  let content = synced;
  for (const change of pending) {
    const fate = random();
    if (fate < 0.3) continue;
    if (fate < 0.6 || change.bytes === null) {
      content = changed(content, change);
      continue;
    }
    const blockBytes = 1 + Math.floor(random() * change.bytes.length);
    for (let from = 0; from < change.bytes.length; from += blockBytes) {
      const block = change.bytes.subarray(from, from + blockBytes);
      const bytes = random() < 0.5 ? block : Buffer.alloc(block.length);
      content = changed(content, { bytes, position: change.position + from });
    }
  }
  return content;
}

function copyOf(names: Names, read: (content: Content) => Buffer): Names {
  const kept = [...names].filter(([name]) => !name.startsWith("lock."));
  return new Map(
    kept.map(([name, content]) => {
      const now = read(content);
      return [name, { now, synced: now, pending: [] }];
    }),
  );
}

function errorOf(code: string, name: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${name}`), { code });
}
