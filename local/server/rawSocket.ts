// For tests: a socket that speaks the sync protocol by hand, to say what no client would say, and see each frame.
import { once } from "node:events";
import { vi } from "vitest";
import WebSocket from "ws";
import type { ServerMessage } from "./syncProtocol.js";

export class RawSocket {
  readonly #socket: WebSocket;
  readonly received: ServerMessage[] = [];
  closeCode: number | null = null;

  static async open(url: string, sessionId: string): Promise<RawSocket> {
    const raw = new RawSocket(new WebSocket(`${url.replace("http", "ws")}/api/1.48.0/sync`));
    await once(raw.#socket, "open");
    raw.send({ type: "Connect", sessionId, connectionCount: 0, lastCloseReason: null, clientTs: Date.now() });
    return raw;
  }

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("message", (data) => this.received.push(JSON.parse(String(data)) as ServerMessage));
    socket.on("close", (code) => (this.closeCode = code));
  }

  send(message: object): void {
    this.#socket.send(JSON.stringify(message));
  }

  watch(queryId: number, udfPath: string, args: object, baseVersion = queryId): void {
    const modifications = [{ type: "Add", queryId, udfPath, args: [args] }];
    this.send({ type: "ModifyQuerySet", baseVersion, newVersion: baseVersion + 1, modifications });
  }

  mutate(requestId: number, udfPath: string, args: object): void {
    this.send({ type: "Mutation", requestId, udfPath, args: [args] });
  }

  all(type: string): ServerMessage[] {
    return this.received.filter((message) => message.type === type);
  }

  /** The messages of a type, once there are so many. */
  async until(type: string, count = 1): Promise<ServerMessage[]> {
    const check = () => {
      if (this.all(type).length < count)
        throw new Error(`${this.all(type).length} of ${count} messages "${type}" came.`);
      return this.all(type);
    };
    return vi.waitFor(check, { timeout: 10_000, interval: 5 });
  }

  close(): void {
    this.#socket.terminate();
  }
}

/** The result that a frame with an update of one query holds. */
export function updateIn(message: ServerMessage, queryId: number): unknown {
  const modifications = message["modifications"] as { queryId: number; value: unknown }[];
  return modifications.find((modification) => modification.queryId === queryId)?.value;
}

export function tsOf(version: unknown): bigint {
  return Buffer.from((version as { ts: string }).ts, "base64").readBigUInt64LE();
}
