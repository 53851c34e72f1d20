import type { IncomingMessage } from "node:http";

/** The body of a request, as it comes in, up to a limit. */
export class RequestBody {
  readonly stream: ReadableStream<Uint8Array>;
  readonly #incoming: IncomingMessage;
  readonly #limitBytes: number;
  #bytes = 0;
  #isDropped = false;
  #isTooLarge: boolean;

  constructor(incoming: IncomingMessage, limitBytes: number) {
    this.#incoming = incoming;
    this.#limitBytes = limitBytes;
    this.#isTooLarge = Number(incoming.headers["content-length"] ?? 0) > limitBytes;
    this.stream = new ReadableStream({
      start: (controller) => this.#listen(controller),
      pull: () => void incoming.resume(),
      cancel: () => this.drop(),
    });
  }

  /** What came in is more than the limit, or will be as the request says itself. */
  get isTooLarge(): boolean {
    return this.#isTooLarge;
  }

  /** Nobody reads it any more: what is still to come is thrown away, so that whoever sends it gets to the answer. */
  drop(): void {
    this.#isDropped = true;
    this.#incoming.resume();
  }

  #listen(controller: ReadableStreamDefaultController<Uint8Array>): void {
    const incoming = this.#incoming;
    const fail = (message: string) => {
      if (!this.#isDropped) controller.error(new Error(message));
      this.drop();
    };
    incoming.on("data", (chunk: Uint8Array) => {
      this.#bytes += chunk.byteLength;
      this.#isTooLarge ||= this.#bytes > this.#limitBytes;
      if (this.#isTooLarge) return fail(`The request's body is larger than ${this.#limitBytes} bytes.`);
      if (this.#isDropped) return;
      controller.enqueue(chunk);
      if ((controller.desiredSize ?? 0) <= 0) incoming.pause();
    });
    incoming.once("end", () => {
      if (!this.#isDropped) controller.close();
      this.#isDropped = true;
    });
    incoming.once("close", () => fail("The request was broken off."));
    incoming.pause();
  }
}
