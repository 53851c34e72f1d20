import { existsSync, readdirSync, statSync } from "node:fs";
import path from "node:path";

/** Whether a file in any of the sources, files or folders, was written after the target; also if that is not there. */
export function isNewer(sources: readonly string[], target: string): boolean {
  if (!existsSync(target)) return true;
  const built = statSync(target).mtimeMs;
  return sources.flatMap(filesUnder).some((file) => statSync(file).mtimeMs > built);
}

function filesUnder(source: string): string[] {
  if (!statSync(source).isDirectory()) return [source];
  return readdirSync(source, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
}
