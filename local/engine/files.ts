import fs from "node:fs";
import path from "node:path";

/** Stored files' bytes by id: in memory, or in a folder. */
export class Files {
  readonly #folder: string | null;
  readonly #bytes = new Map<string, Uint8Array<ArrayBuffer>>();
  /** Where links to files lead. */
  origin = "http://127.0.0.1";

  constructor(folder: string | null) {
    this.#folder = folder;
    if (folder !== null) fs.mkdirSync(folder, { recursive: true });
  }

  write(id: string, bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#folder === null) this.#bytes.set(id, bytes);
    else fs.writeFileSync(path.join(this.#folder, id), bytes, { flush: true });
  }

  /** @returns null if there is none */
  read(id: string): Uint8Array<ArrayBuffer> | null {
    if (this.#folder === null) return this.#bytes.get(id) ?? null;
    const file = path.join(this.#folder, id);
    return fs.existsSync(file) ? new Uint8Array(fs.readFileSync(file)) : null;
  }
}
