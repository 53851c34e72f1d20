import { ConvexError } from "convex/values";
import { describe, expect, test } from "vitest";
import { errorCodes } from "../../shared/errorCodes.js";
import { classifyCallError, ReplicaError, toReplicaError } from "./errors.js";

const refusal = (code: string, more: Record<string, unknown> = {}) => ({ code, message: "why", ...more });
const thrown = (data: unknown) => Object.assign(new Error("the text decides nothing"), { data });

describe("classifyCallError", () => {
  test.each<[string, unknown]>([
    ["an error without data", new Error("[Request ID] Server Error")],
    ["an error whose text looks coded", new Error('{"code":"denied","message":"no"}')],
    ["data that is a text", thrown("denied")],
    ["data without a message", thrown({ code: "denied" })],
    ["data with a message that is no text", thrown({ code: "denied", message: 1 })],
    ["data with a code nobody knows", thrown(refusal("tea_time"))],
    ["data with a code inherited by every object", thrown(refusal("toString"))],
    ["a refusal that was thrown itself, not as data", refusal("denied")],
    ["null data", thrown(null)],
    ["a thrown text", "denied"],
    ["null", null],
    ["undefined", undefined],
  ])("%s is tried again, with its cause", (_name, error) => {
    expect(classifyCallError(error)).toEqual({ type: "retry", cause: error });
  });

  test.each(errorCodes)("a coded refusal %s stops only if this store can never push again", (code) => {
    const fault = classifyCallError(new ConvexError(refusal(code)));
    const isFinal = code === "client_taken" || code === "client_retired";
    expect(fault.type).toBe(isFinal ? "stop" : "refused");
    expect(fault).toMatchObject({ refusal: { code, message: "why" } });
  });

  test.each<[string, Record<string, unknown>, readonly string[] | null]>([
    ["names no transactions", {}, null],
    ["names some", { transactions: ["a", "b"] }, ["a", "b"]],
    ["names none", { transactions: [] }, []],
    ["names some and other things", { transactions: ["a", 1, null, "b", { id: "c" }] }, ["a", "b"]],
    ["names them in no list", { transactions: "a" }, null],
  ])("a refusal that %s", (_name, more, transactions) => {
    expect(classifyCallError(new ConvexError(refusal("denied", more) as never))).toMatchObject({
      type: "refused",
      transactions,
    });
  });

  test("a plain object with coded data, as it comes from another realm, is refused like an error", () => {
    expect(classifyCallError({ data: refusal("too_large") })).toMatchObject({ type: "refused" });
  });
});

describe("ReplicaError.is", () => {
  const plain = structuredClone(refusal("denied"));
  test.each<[string, unknown, (typeof errorCodes)[number][], boolean]>([
    ["an error, any code", new ReplicaError("denied", "no"), [], true],
    ["an error, its code", new ReplicaError("denied", "no"), ["exists", "denied"], true],
    ["an error, other codes", new ReplicaError("denied", "no"), ["exists"], false],
    ["plain data, any code", plain, [], true],
    ["plain data, its code", plain, ["denied"], true],
    ["plain data, another code", plain, ["closed"], false],
    ["an unknown code", refusal("tea_time"), [], false],
    ["an error without a code", new Error("denied"), [], false],
    ["a DOMException, whose code is a number", new DOMException("no", "AbortError"), [], false],
    ["a text", "denied", [], false],
    ["null", null, [], false],
    ["undefined", undefined, ["denied"], false],
  ])("%s", (_name, error, codes, expected) => {
    expect(ReplicaError.is(error, ...codes)).toBe(expected);
  });
});

describe("toReplicaError", () => {
  test("carries code, message, data and the transaction that it failed with", () => {
    const error = toReplicaError({ code: "denied", message: "no", data: { until: 1 }, transactionId: "t" });
    expect(error).toBeInstanceOf(ReplicaError);
    expect(error).toMatchObject({
      name: "ReplicaError",
      code: "denied",
      message: "no",
      data: { until: 1 },
      transactionId: "t",
    });
  });

  test("leaves out what was not said", () => {
    const error = toReplicaError({ code: "exists", message: "there" });
    expect([error.data, error.transactionId, "cause" in error]).toEqual([undefined, undefined, false]);
  });

  test("a cause is kept", () => {
    const cause = new Error("disk");
    expect(new ReplicaError("storage_full", "full", { cause }).cause).toBe(cause);
  });
});
