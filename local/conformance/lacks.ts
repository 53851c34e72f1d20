// What each subject is known not to do as Convex documents it: the one place that says so. The case itself carries the
// source of what Convex does.
import type { Lack, Lacks } from "./subject.js";

/** The subject does what the case expects it to refuse; or what `shows` tells. */
const differs = (why: string, shows = /should have been refused/): Lack => ({ why, shows });
const notRun = (why: string): Lack => ({ why, shows: null });

const noCheck = differs("does not check it");
const noClock = differs("does not touch the clock", /expected \d+ to be 1/);
const noRecords = differs("does not validate records");
const noVisibility = differs("every function may be called, the internal ones too");
const lateReturn = differs(
  "checks the return value after the commit: what was written stays",
  /to deeply equal \[\]/,
);

/** convex-test 0.0.60. */
export const convexTestLacks: Lacks = {
  "actions and errors": {
    "a ConvexError's data passes through nested mutations, with int64 and bytes in it": differs(
      "decodes the data once more at each level, which fails on what JSON cannot hold: the data is lost",
      /expected undefined to deeply equal/,
    ),
    "who catches a ConvexError of a nested mutation has its data, but not its class, with int64 and bytes in it":
      differs("as above", /data: null/),
    "the class of an error is lost on its way to an action": differs(
      "hands the very error on",
      /to match object/,
    ),
  },
  components: {
    "an internal function of a component is called by itself alone": noVisibility,
    "paginate is refused in a component": differs("paginates in components as in the app"),
  },
  documents: {
    "get of what is no id is refused": differs("finds nothing"),
    "a table's name is alphanumeric and does not begin with an underscore": noCheck,
  },
  environment: {
    "time stands still in a query": noClock,
    "time stands still in a mutation, also across what it waits for": noClock,
    "what a function logs reaches its caller, also if it fails": differs(
      "does not tell what is logged",
      /expected undefined/,
    ),
  },
  ids: {
    "system documents are read by db.system alone, and others not by it": differs(
      "reads any document by either",
    ),
  },
  indexes: {
    "equalities may come in any order at run time": differs(
      "wants them in the order of the index",
      /Incorrect field used/,
    ),
  },
  limits: {
    "documents that a filter leaves out count as read": differs("counts what is returned"),
    "system documents do not count as read": differs("counts them", /expected 3 to be/),
    "a document of more than 1 MiB is refused": noCheck,
    "an array has 8,192 items at most": noCheck,
    "an object has 1,024 fields at most": noCheck,
    "arrays and objects nest 16 deep": noCheck,
    "a field's name begins with a letter": noCheck,
    "a string has no unpaired surrogates": noCheck,
    "16 MiB are returned, not more, and then nothing is written": noCheck,
    "arguments are of 16 MiB at most": noCheck,
  },
  pagination: {
    "a page of nothing is refused, and one that may read nothing": differs("gives an empty page"),
    "a cursor of one query is refused by another": differs("a cursor is index fields, without the query"),
  },
  queries: {
    "filter q.neg": differs("does not know q.neg", /not implemented/),
    "arithmetic in a filter on what is no number is refused": differs("computes as JavaScript does"),
    "a comparison in a filter orders values of different types as indexes do": differs(
      "compares as JavaScript does",
      /expected \[\] to deeply equal/,
    ),
  },
  scheduler: {
    "the name of a job has the extension of its module": differs(
      "`scheduling:note` for `scheduling.js:note`",
      /to match object \{ name/,
    ),
    "a job that ran well tells when": differs("sets completedTime of failed jobs alone", /completedTime/),
    "a job that was canceled tells when": differs("sets completedTime of failed jobs alone", /completedTime/),
    "to cancel what has run changes nothing": differs("sets any job's state to canceled", /state: /),
    "what is canceled while it runs goes on, but what it schedules never runs": notRun(
      "rejects outside of any call, when the job ends in a state that it does not expect",
    ),
    "a function that does not exist cannot be scheduled": differs("fails when it is to run"),
    "a delay below zero, or of more than five years, is refused": differs("takes more than five years"),
  },
  storage: {
    "a file keeps its content type": differs("keeps size and sha256 alone", /contentType/),
  },
  validation: {
    "arguments: ofRecord": noRecords,
    "the schema refuses a record with a value of another type": noRecords,
    "a mutation whose return value is refused writes nothing": lateReturn,
    "a nested mutation whose return value is refused is undone, if its caller goes on": lateReturn,
    "an internal query is not for clients": noVisibility,
    "an internal mutation is not for clients": noVisibility,
    "an internal action is not for clients": noVisibility,
  },
};

export const engineLacks: Lacks = {
  search: {
    "words are found by a search index": differs("has no search indexes, and says so", /has no search/),
    "vectors are found by their nearness": differs(
      "has no vector indexes, and says so",
      /has no vector search/,
    ),
  },
};
