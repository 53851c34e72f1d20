import fs from "node:fs";
import path from "node:path";
import zlib from "node:zlib";
import type { StartPush } from "./pushTypes.js";

/** The code that was pushed last, for the next start. */
export class PushFile {
  readonly #path: string;

  constructor(file: string) {
    this.#path = file;
  }

  /** Whole, or not at all: a start after a crash finds this push or the one before. */
  write(push: StartPush): void {
    fs.mkdirSync(path.dirname(this.#path), { recursive: true });
    const next = `${this.#path}.next`;
    const quality = { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 4 } };
    fs.writeFileSync(next, zlib.brotliCompressSync(JSON.stringify(push), quality), { flush: true });
    fs.renameSync(next, this.#path);
  }

  /** @returns null if nothing was pushed. @throws Error if it cannot be read */
  read(): StartPush | null {
    if (!fs.existsSync(this.#path)) return null;
    try {
      return JSON.parse(zlib.brotliDecompressSync(fs.readFileSync(this.#path)).toString("utf8")) as StartPush;
    } catch (error) {
      throw new Error(`${this.#path} holds no push. Delete it, and push the app again.`, { cause: error });
    }
  }
}
