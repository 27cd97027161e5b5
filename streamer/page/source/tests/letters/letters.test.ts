import "../browser";
import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import type { LetterSummary } from "../../contract";
import { dump, laidOut, show } from "../../letters/bytes";
import { MOST_AT_ONCE, choiceOf, keyOf, portions, sum, toggled, within } from "../../letters/choice";
import { outcomeWords, refusedWords } from "../../letters/desk";
import { withNew } from "../../letters/newest";

test("JSON is laid out, and its numbers stay as they were written", () => {
  const text = '{"a":[1,{"b":"x, {y}: \\"z\\""}],"id":12345678901234567890,"e":{},"n":[]}';

  equal(laidOut(text), `{
  "a": [
    1,
    {
      "b": "x, {y}: \\"z\\""
    }
  ],
  "id": 12345678901234567890,
  "e": {},
  "n": []
}`);
});

test("what is no JSON object is text, and bytes that are no text are a dump", () => {
  equal(laidOut('{"cut": "sho'), null);
  equal(laidOut("17"), null);
  deepEqual(show("user-7", "utf-8"), { kind: "text", text: "user-7" });
  equal(show("/wBBQg==", "base64").text, `0000  ff 00 41 42${" ".repeat(39)}··AB`);
});

test("what would not be seen, or would falsify what is, is written out in texts, in JSON, and where lines end", () => {
  equal(show("user\u0000\u001b[2J\u202e7\nnext", "utf-8").text, "user\\u{0}\\u{1b}[2J\\u{202e}7\\u{a}\nnext");
  equal(show('{"user_id":"a\u202eb\u007f"}', "utf-8").text, '{\n  "user_id": "a\\u{202e}b\\u{7f}"\n}');
});

test("a dump has sixteen bytes a line, the last one aligned with the others", () => {
  const lines = dump(Uint8Array.from({ length: 20 }, (_, i) => 48 + i)).split("\n");

  equal(lines[0], "0000  30 31 32 33 34 35 36 37  38 39 3a 3b 3c 3d 3e 3f  0123456789:;<=>?");
  equal(lines[1], "0010  40 41 42 43                                       @ABC");
});

const letter = (offset: number) => ({ partition: 3, offset });

test("a letter that is toggled twice is as before, and one that is no longer listed is not chosen", () => {
  const choice = toggled(choiceOf([letter(1), letter(2)]), letter(9));

  deepEqual([...choice.keys()], ["3:1", "3:2", "3:9"]);
  deepEqual([...toggled(choice, letter(9)).keys()], ["3:1", "3:2"]);
  deepEqual([...within(choice, [letter(2), letter(4)]).keys()], ["3:2"]);
});

test("many letters go in portions that a worker takes, each letter once", () => {
  const letters = Array.from({ length: 2 * MOST_AT_ONCE + 1 }, (_, offset) => letter(offset));
  const parts = portions(choiceOf(letters));

  deepEqual(parts.map((part) => part.length), [MOST_AT_ONCE, MOST_AT_ONCE, 1]);
  deepEqual(parts.flat().map(keyOf), letters.map(keyOf));
});

test("the results of portions add up", () => {
  const refused = [{ ...letter(1), reason: "not-json" }];

  deepEqual(sum([{ done: 200, refused: [] }, { done: 7, refused }]), { done: 207, refused });
});

test("what came of a deed is said, and of one letter alone why nothing was done with it", () => {
  const gone = (offset: number) => ({ ...letter(offset), reason: "no dead letter is there" });

  equal(outcomeWords("discard", { done: 0, refused: [gone(1)] }), "Letter 3:1 was not discarded: no dead letter is there.");
  equal(outcomeWords("send-again", { done: 1, refused: [gone(1), gone(2)] }), "1 letter sent again, 2 not.");
  equal(outcomeWords("discard", { done: 7, refused: [] }), "7 letters discarded.");
});

test("letters that somebody else discarded are not said to stay", () => {
  equal(refusedWords("discard", 1), "1 letter was gone already");
  equal(refusedWords("send-again", 2), "2 letters were not sent again");
});

test("a letter that is told of is the newest, and listed once", () => {
  const letter = (partition: number, offset: number): LetterSummary => ({
    partition, offset, cause: "not-json", reason: "", at: 0, source: null, num_bytes: 1, sent_again: false, times_sent: 0, key: null, value: null,
  });
  const known = [letter(0, 2), letter(1, 2), letter(0, 1)];

  deepEqual(withNew(known, letter(1, 3), 3).map(keyOf), ["1:3", "0:2", "1:2"]);
  deepEqual(withNew(known, letter(1, 2), 3).map(keyOf), ["1:2", "0:2", "0:1"]);
});
