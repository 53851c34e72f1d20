import type http from "node:http";
import { WebSocketServer, type WebSocket } from "ws";
import type { Connection } from "./connection.js";
import type { Faults } from "./faults.js";
import type { ClientMessage } from "./syncProtocol.js";

const pingMs = 15_000;

/** Takes the sync protocol's sockets in, and keeps `connections` to those that are open. */
export function acceptSockets(
  server: http.Server,
  connections: Set<Connection>,
  faults: Faults,
  connect: (socket: WebSocket) => Connection,
): WebSocketServer {
  const sockets = new WebSocketServer({ noServer: true });
  server.on("upgrade", (request, socket, head) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    if (faults.isBlocked || !/^\/api\/[^/]+\/sync$/.test(pathname)) return socket.destroy();
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      const connection = connect(webSocket);
      connections.add(connection);
      const ping = setInterval(() => connection.ping(), pingMs);
      webSocket.on("message", (data) => receive(connection, String(data)));
      webSocket.on("close", () => {
        clearInterval(ping);
        connections.delete(connection);
      });
    });
  });
  return sockets;
}

function receive(connection: Connection, text: string): void {
  let message: ClientMessage;
  try {
    message = JSON.parse(text) as ClientMessage;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return connection.cut();
  }
  connection.receive(message);
}
