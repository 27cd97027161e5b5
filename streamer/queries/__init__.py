"""Questions over HTTP: what can be asked of a worker, who may ask it, and in which shape the answer goes out.

The room knows neither workers nor settings: each file has a function that is given what it needs, often a callable or a
small protocol, and returns its routes. `streamer.worker.beside.create_queries` calls them all. To add a route:

    class TracksQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):    # in streamer/wire/views_tracks.py
        rows: tuple[int, ...]

    def track_routes(names: Names) -> list[Route]:                                    # in streamer/queries/tracks.py
        async def tracks(asked: Asked[TracksQuestion]) -> tuple[Track, ...]:
            return names.of(asked.question.rows)

        return [Route("POST", "/api/v1/tracks", Right.READ, "What tracks are called.", tracks,
                      question=TracksQuestion, answers=tuple[Track, ...])]

`server` checks access, reads the question (a body of JSON; of a GET, the query and the variables of the path), calls,
and writes the answer as JSON. A handler that answers in another way returns a response of aiohttp; one that answers
with events returns `await streams.answer(...)` (`events`). Errors become `{"error": {"code", "message"}}` (`problems`):
raise `QueryError`, or one of the errors that `problems` knows. A handler runs on the event loop of the plays: what
computes for longer than a millisecond belongs on the sideline, and no user id goes into a path, a message or a log.
"""
