import { toLogLevel, writeLogLine, type LogFields, type LogLevel } from "../shared/logLine.js";

/** The app's own environment variables: these functions run in the app, not in the component. */
const variables = globalThis as { process?: { env: Readonly<Record<string, string | undefined>> } };

/** As the component's `log`, from the app's functions. */
export function log(level: LogLevel, event: string, fields: LogFields = {}): void {
  writeLogLine(toLogLevel(variables.process?.env["REPLICATE_LOG_LEVEL"]), level, "server", event, fields);
}
