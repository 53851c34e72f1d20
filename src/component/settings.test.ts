import { afterEach, expect, test, vi } from "vitest";
import { limits } from "../shared/limits.js";
import { checkSettings, compactQuietMs, keptMs } from "./settings.js";

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

const dayMs = 24 * 60 * 60_000;
const usual = { leaves: limits.leavesKeptMs, receipts: limits.receiptsKeptMs };

test("what is not set is as the limits have it", () => {
  expect([compactQuietMs(), keptMs()]).toEqual([limits.compactQuietMs, usual]);
});

test("what is set is used, up to the ends of its range", () => {
  for (const [text, ms] of [
    ["0", 0],
    ["5", 5000],
    ["600", 600_000],
  ] as const) {
    vi.stubEnv("REPLICATE_QUIET_SECONDS", text);
    expect(compactQuietMs()).toBe(ms);
  }
  for (const days of [7, 90, 400]) {
    vi.stubEnv("REPLICATE_KEEP_DAYS", String(days));
    expect(keptMs()).toEqual({ leaves: days * dayMs, receipts: days * dayMs });
  }
});

test("I-16: what is no number of its range is not used, and a warning says so without quoting it", () => {
  vi.stubEnv("REPLICATE_LOG_LEVEL", "INFO");
  const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
  for (const text of ["", "-1", "601", "1e2", " 5", "5s", "Infinity", "NaN", "9".repeat(500)]) {
    vi.stubEnv("REPLICATE_QUIET_SECONDS", text);
    vi.stubEnv("REPLICATE_KEEP_DAYS", text === "601" ? "6" : text);
    expect([compactQuietMs(), keptMs()], text).toEqual([limits.compactQuietMs, usual]);
    warn.mockClear();
    checkSettings();
    expect(warn.mock.calls.map(([line]) => JSON.parse(String(line)) as object)).toMatchObject([
      { event: "settingIgnored", name: "REPLICATE_QUIET_SECONDS", least: 0, most: 600 },
      { event: "settingIgnored", name: "REPLICATE_KEEP_DAYS", least: 7, most: 400 },
    ]);
  }
});
