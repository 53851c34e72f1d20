import type { Row } from "../row.js";
import type { Traffic } from "./ours.js";

/** The figures of one exchange with the server. */
export function trafficRows(name: string, { ms, pulls, pushes, bytesSent, bytesReceived }: Traffic): Row[] {
  return [
    { case: name, metric: "pushes", value: pushes, unit: "" },
    { case: name, metric: "pulls", value: pulls, unit: "" },
    { case: name, metric: "sent", value: bytesSent / 1e3, unit: "kB" },
    { case: name, metric: "received", value: bytesReceived / 1e3, unit: "kB" },
    { case: name, metric: "until all of it is on both sides", value: ms, unit: "ms" },
  ];
}
