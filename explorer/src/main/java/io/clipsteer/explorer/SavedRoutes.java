// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

import io.clipsteer.data.InputException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What users keep: notes, edits, commands. */
final class SavedRoutes {
  private final Desks desks;
  private final List<Notes> notes;
  private final boolean readOnly;

  SavedRoutes(Desks desks, boolean readOnly) {
    this.desks = desks;
    this.readOnly = readOnly;
    notes = desks.slots().stream().map(one -> new Notes(one.run().folder().notes())).toList();
  }

  /** A command line. */
  record CommandLine(String command) {}

  private record NoteBody(int sae, int id, @Nullable String note, @Nullable List<String> tags) {}

  private record SaveBody(@Nullable PageEdit edit, String name) {}

  private record CommandBody(@Nullable PageEdit edit, String head) {}

  List<Route> routes() {
    return List.of(
        Route.get("/api/runs/{run}/notes", this::listNotes),
        Route.get("/api/runs/{run}/notes.csv", this::csv),
        Route.post("/api/runs/{run}/notes", this::note),
        Route.post("/api/runs/{run}/edits", this::save),
        Route.post("/api/runs/{run}/command", this::command));
  }

  private void requireWritable() {
    if (!readOnly) return;
    throw new InputException("this session", "is read-only", "Start it without --read-only");
  }

  private Object listNotes(Route.Call call) {
    return Map.of("notes", notes.get(desks.number(call)).all());
  }

  private Object csv(Route.Call call) {
    byte[] bytes = notes.get(desks.number(call)).csv().getBytes(StandardCharsets.UTF_8);
    return new Route.Bytes(bytes, "text/csv; charset=utf-8");
  }

  private Object note(Route.Call call) {
    requireWritable();
    NoteBody body = call.body(NoteBody.class);
    Desk desk = desks.desk(call);
    String sae = desk.table().group(Desks.feature(desk, body.sae, body.id)).sae();
    return notes.get(desks.number(call)).add(sae, body.id, body.note, body.tags);
  }

  private Object save(Route.Call call) {
    requireWritable();
    SaveBody body = call.body(SaveBody.class);
    PageEdit edit = PageEdit.checked(body.edit);
    return new PageCommands(desks.desk(call).run()).save(edit, String.valueOf(body.name));
  }

  private Object command(Route.Call call) {
    CommandBody body = call.body(CommandBody.class);
    PageEdit edit = PageEdit.checked(body.edit);
    String image = desks.images().file(edit.image());
    ExploredRun run = desks.desk(call).run();
    return new CommandLine(
        new PageCommands(run).experiment(edit, image, run.probe(String.valueOf(body.head))));
  }
}
