// One line of JSON per event, for whoever reads a deployment's logs by hand or feeds them to something that filters.
// What is logged are names, ids, counts and codes: never what users wrote, and nothing by which one could act for them.

export const logLevels = ["DEBUG", "INFO", "WARN", "ERROR"] as const;
export type LogLevel = (typeof logLevels)[number];
export type LogFields = Readonly<Record<string, string | number | bigint | boolean | null | undefined>>;

const defaultLevel: LogLevel = "INFO";
const write = { DEBUG: "debug", INFO: "info", WARN: "warn", ERROR: "error" } as const;

/** A level as an operator wrote it, in whatever case; what is none is the default. */
export function toLogLevel(text: string | undefined): LogLevel {
  const upper = text?.trim().toUpperCase();
  return logLevels.find((level) => level === upper) ?? defaultLevel;
}

/** Writes a line, unless its level is below `least`. */
export function writeLogLine(
  least: LogLevel,
  level: LogLevel,
  from: "component" | "server",
  event: string,
  fields: LogFields,
): void {
  if (logLevels.indexOf(level) < logLevels.indexOf(least)) return;
  console[write[level]](
    JSON.stringify({ replicate: from, level, event, ...fields }, (_, value: unknown) =>
      typeof value === "bigint" ? String(value) : value,
    ),
  );
}

/**
 * A client id as logs show it. Whole, it is what an anonymous client is known by: who has it could push in its place.
 */
export function shortId(client: string): string {
  return client.length <= 8 ? "…" : `${client.slice(0, 8)}…`;
}
