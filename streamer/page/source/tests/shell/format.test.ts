import { deepEqual } from "node:assert/strict";
import { test } from "node:test";
import { inWords, plural } from "../../format";

test("codes are shown as words", () => {
  deepEqual(["key-mismatch", "not-json", "session_knn"].map(inWords), ["key mismatch", "not JSON", "session knn"]);
});

test("one is singular and all other counts are plural", () => {
  deepEqual([0, 1, 2].map((count) => plural(count, "play")), ["0 plays", "1 play", "2 plays"]);
});
