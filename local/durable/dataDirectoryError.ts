/**
 * - `locked`: another process that runs holds the folder.
 * - `corrupt`: bytes that were written are not there as they were written; nothing was changed.
 * - `format`: written by another version of this program, or of Node.
 * - `writeFailed`: the disk refused a write; what was durable before is.
 * - `misuse`: a call that the contract forbids, or one after `close`.
 */
export type DataDirectoryErrorCode = "locked" | "corrupt" | "format" | "writeFailed" | "misuse";

export class DataDirectoryError extends Error {
  override readonly name = "DataDirectoryError";
  readonly code: DataDirectoryErrorCode;

  constructor(code: DataDirectoryErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}
