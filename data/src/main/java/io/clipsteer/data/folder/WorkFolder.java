// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.folder;

import io.clipsteer.data.InputException;
import io.clipsteer.data.IoFunction;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.json.JsonFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * The folder that a command writes, from its start to its end:
 *
 * <ol>
 *   <li>{@link #check} refuses a wrong folder before long preparations; nothing is written.
 *   <li>{@link #open} takes the lock ({@code .lock}) and writes {@code manifest.json} without an
 *       end. A folder in this state is a <i>stopped run</i>; it is resumed with the same settings.
 *   <li>The command writes its files, its {@link FolderLayout#result} last.
 *   <li>{@link #finish} deletes temporary progress and writes the manifest's end: a <i>finished
 *       run</i>.
 *   <li>{@link #close} releases the lock. A run that failed before it had any {@link
 *       Layout#progress} leaves nothing: neither the folder nor parents made for it.
 * </ol>
 *
 * <p>A set of files that readers take as soon as they see it is written by {@link #write} instead:
 * its folder appears whole or not at all.
 */
public final class WorkFolder implements AutoCloseable {
  /**
   * What a command's folder holds.
   *
   * @param result name of the file that is written last, after which progress is deleted; null
   *     where progress is part of the result: then a finished run can be resumed too, to repair or
   *     to extend it
   * @param progress names of files and folders that a stopped run is resumed from; none where it
   *     cannot be resumed
   */
  public record FolderLayout(@Nullable String result, List<String> progress) {
    /** Keeps a copy. */
    public FolderLayout {
      progress = List.copyOf(progress);
    }
  }

  /** Starts the name of an input whose hash is compared; a hash itself is not printed. */
  private static final String HASH = "sha256 ";

  /** Most characters of a setting's value in a message. */
  private static final int MOST_SHOWN = 60;

  /** Of a command that cannot be resumed. */
  public static final FolderLayout ALONE = new FolderLayout(null, List.of());

  private static final String NEW_FOLDER = "Name a new folder with --out";

  private final Path path;
  private final FolderLayout layout;
  private final String file;
  private final List<Path> made;
  private final boolean fresh;
  private final FolderLock lock;
  private RunManifest manifest;
  private boolean finished;

  private WorkFolder(
      Path path,
      FolderLayout layout,
      String file,
      RunManifest manifest,
      List<Path> made,
      boolean fresh) {
    this.path = path;
    this.layout = layout;
    this.file = file;
    this.manifest = manifest;
    this.made = made;
    this.fresh = fresh;
    this.lock = take(path, made);
  }

  /**
   * Refuses a folder that {@link #open} would refuse whatever the settings.
   *
   * @param out absent or empty; with {@code resume} a folder with a run
   * @throws InputException naming what lies there and what to do
   */
  public static void check(Path out, FolderLayout layout, boolean resume) {
    requireOurs(out, resume);
    if (Files.exists(out)) FolderLock.take(out).close();
    requireFit(out, layout, resume);
  }

  /**
   * Opens a folder for a run, or with {@code resume} for the rest of one.
   *
   * @param manifest of the run that starts now; a resumed run keeps its first start
   * @throws InputException when something else lies there, another run is writing it, or the
   *     settings differ from those of the stopped run
   */
  public static WorkFolder open(
      Path out, FolderLayout layout, boolean resume, RunManifest manifest) {
    requireOurs(out, resume);
    if (!Files.exists(out)) requireFit(out, layout, resume);
    boolean fresh = !Files.isRegularFile(out.resolve(RunManifest.FILE));
    List<Path> made = Folders.missing(out);
    var folder = new WorkFolder(out, layout, RunManifest.FILE, manifest, made, fresh);
    try {
      requireFit(out, layout, resume);
      folder.start();
      return folder;
    } catch (RuntimeException e) {
      folder.close();
      throw e;
    }
  }

  /**
   * Opens a folder of finished work to add files to it.
   *
   * @param folder made when it is absent
   * @param file the manifest's name; it is written at the end only, so that until then an earlier
   *     one describes what lies there
   */
  public static WorkFolder addTo(Path folder, String file, RunManifest manifest) {
    return addTo(folder, ALONE, file, manifest);
  }

  /**
   * The same for a command that keeps progress there.
   *
   * @param layout whose progress stays when the command fails
   */
  public static WorkFolder addTo(
      Path folder, FolderLayout layout, String file, RunManifest manifest) {
    boolean fresh = !Files.exists(folder) || Folders.isEmpty(folder);
    return new WorkFolder(folder, layout, file, manifest, Folders.missing(folder), fresh);
  }

  /** Whether a folder holds a run that was started and not finished. */
  public static boolean isStopped(Path folder) {
    RunManifest manifest = RunManifest.find(folder.resolve(RunManifest.FILE));
    return manifest != null && manifest.ended() == null;
  }

  /** Where it lies. */
  public Path path() {
    return path;
  }

  private void start() {
    AtomicFiles.sweep(path);
    if (!fresh) {
      RunManifest before = RunManifest.read(path);
      requireSame(before);
      manifest = manifest.startedAt(before.started());
      if (before.ended() != null) return; // The old manifest stays until the run is finished again.
      if (layout.result != null && Files.exists(path.resolve(layout.result))) {
        // Killed between its last two steps.
        finish();
        throw finished(path, layout, before);
      }
    }
    manifest.writeTo(path);
  }

  /** Ends the run: its result has been written. */
  public void finish() {
    finish(Map.of());
  }

  /**
   * Ends the run.
   *
   * @param results SHA-256 of what came out, by name; the manifest holds them with those of what
   *     went in
   */
  public void finish(Map<String, String> results) {
    if (layout.result != null)
      for (String name : layout.progress) Folders.delete(path.resolve(name));
    AtomicFiles.writeJson(path.resolve(file), manifest.finish(results));
    finished = true;
  }

  @Override
  public void close() {
    boolean useless =
        fresh
            && !finished
            && layout.progress.stream().noneMatch(name -> Files.exists(path.resolve(name)));
    if (useless) Folders.clear(path);
    lock.close();
    if (useless) Folders.removeEmpty(made);
  }

  // ---- what may lie there ----------------------------------------------------------------------

  private static void requireOurs(Path out, boolean resume) {
    if (!Files.exists(out)) {
      if (Files.isSymbolicLink(out)) {
        throw new InputException(out, "is a link that leads nowhere", NEW_FOLDER);
      }
      return;
    }
    if (!Files.isDirectory(out)) throw new InputException(out, "is a file", NEW_FOLDER);
    if (Folders.isEmpty(out) || Files.isRegularFile(out.resolve(RunManifest.FILE))) return;
    if (resume) {
      throw new InputException(
          out,
          "holds no run to resume: it has no manifest.json",
          "Delete it or name another folder");
    }
    throw new InputException(out, "is not empty", NEW_FOLDER);
  }

  private static void requireFit(Path out, FolderLayout layout, boolean resume) {
    if (!Files.isRegularFile(out.resolve(RunManifest.FILE))) {
      // An empty folder is what a run leaves that was killed at once.
      if (!resume || Files.isDirectory(out)) return;
      throw nothing(out);
    }
    RunManifest before = RunManifest.read(out);
    boolean stopped = before.ended() == null;
    if (resume && (stopped || layout.result == null)) return;
    if (!stopped) throw finished(out, layout, before);
    throw new InputException(
        out,
        "holds a stopped run of clipsteer " + before.name(),
        layout.progress.isEmpty()
            ? "Delete it, or name a new folder with --out"
            : "Add --resume to that command, or name a new folder with --out");
  }

  private static InputException finished(Path out, FolderLayout layout, RunManifest manifest) {
    return new InputException(
        out,
        "holds a finished run of clipsteer " + manifest.name(),
        layout.result == null && !layout.progress.isEmpty()
            ? "Add --resume to that command to repair or extend it, or name a new folder with --out"
            : NEW_FOLDER);
  }

  private static InputException nothing(Path out) {
    return new InputException(
        out, "holds no run to resume", "Leave --resume out, or name the stopped run's folder");
  }

  // ---- settings --------------------------------------------------------------------------------

  private void requireSame(RunManifest before) {
    if (!before.name().equals(manifest.name())) {
      throw new InputException(
          path,
          "holds a run of clipsteer " + before.name() + ", not of " + manifest.name(),
          NEW_FOLDER);
    }
    Set<String> inputs = manifest.hashes().keySet();
    JsonNode was = settings(before, inputs);
    JsonNode now = settings(manifest, inputs);
    Set<String> names = new LinkedHashSet<>(now.propertyNames());
    names.addAll(was.propertyNames());
    String difference =
        names.stream()
            .filter(name -> !was.path(name).equals(now.path(name)))
            .map(name -> change(name, was.path(name), now.path(name)))
            .collect(Collectors.joining("; "));
    if (difference.isEmpty()) return;
    throw new InputException(
        path,
        "holds a run of clipsteer " + before.name() + " with other settings: " + difference,
        "Resume with the settings it was started with, or name a new folder with --out");
  }

  /** What a resumed run must have in common with the run that was stopped. */
  private static JsonNode settings(RunManifest manifest, Set<String> inputs) {
    Map<String, @Nullable Object> all = new LinkedHashMap<>(manifest.config());
    manifest.seeds().forEach((name, seed) -> all.put("the seed of " + name, seed));
    for (String input : inputs) all.put(HASH + input, manifest.hashes().get(input));
    all.put("clipsteer", manifest.versions().getOrDefault("clipsteer", ""));
    // Through text: a number that was read is of another class than one that was not.
    return JsonFile.MAPPER.readTree(JsonFile.line(all));
  }

  private static String change(String name, JsonNode was, JsonNode now) {
    return name.startsWith(HASH)
        ? name.substring(HASH.length()) + " changed"
        : name + " was " + shown(was) + ", now " + shown(now);
  }

  private static String shown(JsonNode value) {
    String text = value.isMissingNode() || value.isNull() ? "not given" : value.toString();
    return text.length() > MOST_SHOWN ? "another" : text;
  }

  // ---- folders that appear whole ---------------------------------------------------------------

  /**
   * Makes a folder whole or not at all: filled beside its place, then renamed.
   *
   * @param out absent or empty
   * @return what the filler returned
   * @throws InputException when something lies there, or the disk refuses
   */
  public static <T> T write(Path out, IoFunction<Path, T> filler) {
    check(out, ALONE, false);
    List<Path> made = Folders.missing(out);
    Path target = out;
    Path part = out;
    boolean whole = false;
    try {
      T result;
      try (FolderLock lock = take(out, made)) {
        // Behind links: the folder that a link names is filled, the link stays.
        target = out.toRealPath();
        sweep(target);
        part = beside(target, ProcessHandle.current().pid());
        if (Files.exists(part)) {
          throw new InputException(part, "is in the way", "Move it, or name another folder");
        }
        Files.createDirectories(part);
        result = filler.apply(part);
      }
      Files.deleteIfExists(target);
      Files.move(part, target, StandardCopyOption.ATOMIC_MOVE);
      whole = true;
      return result;
    } catch (DirectoryNotEmptyException e) {
      throw new InputException(out, "was filled meanwhile", NEW_FOLDER, e);
    } catch (UncheckedIOException e) {
      throw refused(out, Reasons.of(e), e);
    } catch (IOException e) {
      throw refused(out, Reasons.of(e), e);
    } finally {
      if (!part.equals(out)) Folders.deleteQuietly(part);
      if (!whole) Folders.removeEmpty(made);
    }
  }

  private static InputException refused(Path out, String reason, Exception e) {
    return new InputException(
        out, "cannot be written: " + reason, "Check the path and the disk's space", e);
  }

  /** The process id keeps other processes' files untouched. */
  private static Path beside(Path target, long process) {
    return target.resolveSibling("." + target.getFileName() + "." + process + ".partial");
  }

  /** Deletes what processes left that were killed while they filled this very folder. */
  private static void sweep(Path target) throws IOException {
    Path parent = target.getParent();
    if (parent == null) return;
    Pattern left =
        Pattern.compile(Pattern.quote("." + target.getFileName() + ".") + "(\\d{1,18})\\.partial");
    try (Stream<Path> all = Files.list(parent)) {
      for (Path path : all.toList()) {
        Matcher name = left.matcher(String.valueOf(path.getFileName()));
        if (!name.matches()) continue;
        boolean alive =
            ProcessHandle.of(Long.parseLong(name.group(1)))
                .map(ProcessHandle::isAlive)
                .orElse(false);
        if (!alive) Folders.deleteQuietly(path);
      }
    } catch (AccessDeniedException e) {
      return; // What cannot be listed cannot be swept, and harms nothing.
    }
  }

  private static FolderLock take(Path folder, List<Path> made) {
    try {
      return FolderLock.take(folder);
    } catch (InputException e) {
      Folders.removeEmpty(made);
      throw e;
    }
  }
}
