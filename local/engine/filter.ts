import { compareValues, type JSONValue, type Value } from "convex/values";
import type { Document } from "./engine.js";
import { asPending } from "../mvcc/pendingTs.js";
import { valueOf } from "./queryPlan.js";
import { fieldOf } from "../fields.js";

/** An expression of `ctx.db.query().filter()`, as `convex/server` serialises it. */
export type Expression = Readonly<Record<string, unknown>>;

type Operand = Value | undefined;

const comparisons: Readonly<Record<string, (order: number) => boolean>> = {
  $eq: (order) => order === 0,
  $neq: (order) => order !== 0,
  $lt: (order) => order < 0,
  $lte: (order) => order <= 0,
  $gt: (order) => order > 0,
  $gte: (order) => order >= 0,
};

type Calculation = <N extends number | bigint>(a: N, b: N) => N;
const calculations: Readonly<Record<string, Calculation>> = {
  $add: (a, b) => ((a as number) + (b as number)) as typeof a,
  $sub: (a, b) => ((a as number) - (b as number)) as typeof a,
  $mul: (a, b) => ((a as number) * (b as number)) as typeof a,
  $div: (a, b) => ((a as number) / (b as number)) as typeof a,
  $mod: (a, b) => ((a as number) % (b as number)) as typeof a,
};

export function isMet(expression: Expression, document: Document): boolean {
  return evaluate(expression, document) === true;
}

function evaluate(expression: Expression, document: Document): Operand {
  const [operator = "", given] = Object.entries(expression)[0] ?? [];
  const operands = () => (given as Expression[]).map((operand) => evaluate(operand, document));
  if (operator === "$field") return asPending(fieldOf(document, (given as string).split(".")));
  if (operator === "$literal") return valueOf(given as JSONValue);
  if (operator === "$and") return (given as Expression[]).every((each) => isMet(each, document));
  if (operator === "$or") return (given as Expression[]).some((each) => isMet(each, document));
  if (operator === "$not") return !isMet(given as Expression, document);
  if (operator === "$neg") return negate(evaluate(given as Expression, document));
  const comparison = comparisons[operator];
  if (comparison !== undefined) {
    const [a, b] = operands();
    return comparison(compareValues(a, b));
  }
  const calculation = calculations[operator];
  if (calculation === undefined) throw new Error(`Unknown operator in a filter: ${operator}`);
  return calculate(operator, calculation, operands());
}

function calculate(operator: string, calculation: Calculation, [a, b]: Operand[]): Operand {
  if (typeof a === "number" && typeof b === "number") return calculation(a, b);
  if (typeof a === "bigint" && typeof b === "bigint") return BigInt.asIntN(64, calculation(a, b));
  throw new Error(`${operator} in a filter needs two numbers or two int64, got ${typeof a} and ${typeof b}.`);
}

function negate(value: Operand): Operand {
  if (typeof value === "number") return -value;
  if (typeof value === "bigint") return BigInt.asIntN(64, -value);
  throw new Error(`neg in a filter needs a number or an int64, got ${typeof value}.`);
}
