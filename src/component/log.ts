import { toLogLevel, writeLogLine, type LogFields, type LogLevel } from "../shared/logLine.js";
import { env } from "./_generated/server.js";

/**
 * Writes one structured line to the deployment's log, from the level up that `REPLICATE_LOG_LEVEL` names (default:
 * INFO). Fields are ids, counts and codes: no content of documents, and no whole client id.
 */
export function log(level: LogLevel, event: string, fields: LogFields = {}): void {
  writeLogLine(toLogLevel(env.REPLICATE_LOG_LEVEL), level, "component", event, fields);
}
