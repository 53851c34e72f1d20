// The messages of Convex's sync protocol (convex 1.48), and what about them is pure.
import { randomUUID } from "node:crypto";
import type { JSONValue } from "convex/values";
import type { Identity } from "../engine/engine.js";

export interface StateVersion {
  readonly querySet: number;
  readonly identity: number;
  readonly ts: bigint;
}

export type QueryModification =
  | {
      readonly type: "Add";
      readonly queryId: number;
      readonly udfPath: string;
      readonly args: JSONValue[];
      readonly journal?: string | null;
    }
  | { readonly type: "Remove"; readonly queryId: number };

export interface FunctionRequest {
  readonly requestId: number;
  readonly udfPath: string;
  readonly args: JSONValue[];
}

export type ClientMessage =
  | { readonly type: "Connect"; readonly sessionId: string; readonly clientTs?: number }
  | {
      readonly type: "Authenticate";
      readonly baseVersion: number;
      readonly tokenType: "User" | "Admin" | "None";
      readonly value?: string;
    }
  | {
      readonly type: "ModifyQuerySet";
      readonly baseVersion: number;
      readonly newVersion: number;
      readonly modifications: readonly QueryModification[];
    }
  | ({ readonly type: "Mutation" } & FunctionRequest)
  | ({ readonly type: "Action" } & FunctionRequest)
  | { readonly type: "Event" };

export type ServerMessage = { readonly type: string; readonly [field: string]: unknown };

/** A frame larger than this is sent in chunks. */
const chunkLength = 5_000_000;

/** A timestamp as the protocol writes it: base64 of 8 bytes, little-endian. */
export function encodeTs(ts: bigint): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(ts);
  return bytes.toString("base64");
}

export function encodeVersion({ querySet, identity, ts }: StateVersion) {
  return { querySet, identity, ts: encodeTs(ts) };
}

/** A message as the frames that carry it. Only a transition may be cut. */
export function toFrames(message: ServerMessage, transitionId: string): string[] {
  const frame = JSON.stringify(message);
  if (message.type !== "Transition" || frame.length <= chunkLength) return [frame];
  const totalParts = Math.ceil(frame.length / chunkLength);
  return Array.from({ length: totalParts }, (_, partNumber) => {
    const chunk = frame.slice(partNumber * chunkLength, (partNumber + 1) * chunkLength);
    return JSON.stringify({ type: "TransitionChunk", chunk, partNumber, totalParts, transitionId });
  });
}

/** An error as a deployment words it; without a message, as production does, which does not tell what was thrown. */
export function serverError(message: string): string {
  const requestId = randomUUID().replaceAll("-", "").slice(0, 16);
  return `[Request ID: ${requestId}] Server Error${message === "" ? "" : `\n${message}`}`;
}

/**
 * Who a development token says the caller is. Nothing is verified: the backend is for development, on loopback.
 *
 * @returns null if it is no token, or has expired
 */
export function identityOf(token: string, nowMs: number): Identity | null {
  try {
    const json = Buffer.from(token.split(".")[1] ?? "", "base64url").toString("utf8");
    const claims = JSON.parse(json) as { sub?: string; iss?: string; exp?: number };
    const { sub, iss = "local", exp } = claims;
    if (typeof sub !== "string" || (exp !== undefined && exp * 1000 < nowMs)) return null;
    return { ...claims, subject: sub, issuer: iss, tokenIdentifier: `${iss}|${sub}` };
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
