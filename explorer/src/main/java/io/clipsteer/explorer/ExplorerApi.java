// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

import io.clipsteer.data.InputException;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.lab.index.FeatureQuery;
import io.clipsteer.lab.index.FeatureSearch;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.run.RunSaes;
import io.clipsteer.lab.run.Versions;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.SortedMap;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.json.JsonMapper;

/** What the page can ask for; docs/explorer-api.md describes it for scripts. */
final class ExplorerApi {
  private static final FeatureQuery.QueryLimits QUERY = new FeatureQuery.QueryLimits(5, 1000, 1024);

  private static final int LONGEST_QUERY = 4000;
  private static final int LONGEST_TEXT = 200;
  private static final int SMALL = 128;
  private static final int LARGE = 672;
  private static final int MOST_IMAGES = 2000;
  private static final long MOST_VALUES = 150_000_000;

  /**
   * Features of a selection that are active on a larger share of the index's tokens say little
   * about it.
   */
  private static final double BELOW = 0.1;

  private final List<RunSlot> slots;
  private final ImageShelf images;
  private final Turns turns;
  private final ImageJobs jobs;
  private final List<Notes> notes;
  private final boolean readOnly;
  private final List<Definition> definitions;

  ExplorerApi(
      List<RunSlot> slots,
      ImageShelf images,
      Turns turns,
      List<Definition> definitions,
      boolean readOnly) {
    this.slots = slots;
    this.images = images;
    this.turns = turns;
    this.definitions = definitions;
    this.readOnly = readOnly;
    jobs = new ImageJobs(turns);
    notes =
        slots.stream()
            .map(one -> new Notes(one.run().folder().path().resolve("notes.jsonl")))
            .toList();
  }

  // ---- what is sent ----------------------------------------------------------------------------

  /**
   * An SAE of a run.
   *
   * @param l0 mean number of active features of a token; of the training
   */
  record SessionSae(
      int sae,
      int layer,
      String name,
      String hookPoint,
      String tokens,
      String variant,
      int features,
      double explainedVariance,
      double l0,
      double aliveFraction) {}

  /**
   * A run.
   *
   * @param words those that texts are limited to; empty where any text can be read
   * @param texts whether texts can be read at all
   * @param index null until the run is indexed
   * @param indexing how far that is; null when it is done
   */
  record SessionRun(
      String name,
      String path,
      String model,
      List<SessionSae> saes,
      int rows,
      int columns,
      boolean squashed,
      boolean texts,
      List<String> words,
      List<SessionHead> heads,
      @Nullable SessionIndex index,
      RunSlot.@Nullable IndexingState indexing) {}

  /** The index of a run. */
  record SessionIndex(long images, String source, double clearMonosemanticity) {}

  /** A head that answers, beside the words. */
  record SessionHead(String name, boolean pixels, List<String> classes) {}

  /** What the page starts with. */
  record Session(
      String clipsteer,
      boolean readOnly,
      int images,
      SortedMap<String, SortedMap<String, Integer>> factors,
      List<SessionRun> runs,
      List<String> columns) {}

  /** A feature of a selection. */
  record SelectionFeature(
      int sae,
      int layer,
      int id,
      double score,
      @Nullable String name,
      @Nullable String steered,
      double frequency,
      double max,
      @Nullable String here,
      List<ExemplarImage> exemplars) {}

  /**
   * An image of a feature.
   *
   * @param image its id; null where the set does not have it
   * @param patch of the largest activation, or null
   */
  record ExemplarImage(@Nullable String image, @Nullable Integer patch, double max) {}

  /** The features of a selection. */
  record Selection(List<SelectionFeature> features) {}

  /** Features that were found. */
  record FoundFeatures(List<FoundFeature> features) {}

  /** A feature that was found. */
  record FoundFeature(
      int sae,
      int layer,
      int id,
      double score,
      @Nullable String name,
      @Nullable String steered,
      double frequency,
      List<ExemplarImage> exemplars) {}

  /** Features for a text. */
  record FoundText(
      List<FoundFeature> features, boolean standsOut, double percentile, int compared) {}

  /** Answers of all heads. */
  record PageAnswers(List<Workbench.HeadAnswers> heads) {}

  /** An image that was opened, or brought. */
  record OpenedImage(String image, String name) {}

  /** A command line. */
  record CommandLine(String command) {}

  // ---- what is received ------------------------------------------------------------------------

  private record SelectionBody(
      String image, @Nullable List<Integer> patches, @Nullable Integer count) {}

  private record QueryBody(String sql) {}

  private record EffectBody(
      @Nullable PageEdit edit,
      @Nullable List<String> images,
      String head,
      String name,
      @Nullable Long seed) {}

  private record GroupsBody(@Nullable List<String> first, @Nullable List<String> second) {}

  private record SpreadBody(int sae, int id, @Nullable List<String> images, @Nullable Long seed) {}

  private record TwinsBody(int sae, int id, int other, @Nullable List<String> images) {}

  private record NoteBody(int sae, int id, @Nullable String note, @Nullable List<String> tags) {}

  private record SaveBody(@Nullable PageEdit edit, String name) {}

  private record CommandBody(@Nullable PageEdit edit, String head) {}

  /** Of requests: what may be left out may be missing, and a misspelt key is refused. */
  private static final JsonMapper REQUESTS =
      JsonFile.MAPPER
          .rebuild()
          .disable(DeserializationFeature.FAIL_ON_MISSING_CREATOR_PROPERTIES)
          .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
          .build();

  private static <T> T body(Route.Call call, Class<T> type) {
    try {
      T value = REQUESTS.readValue(call.body(), type);
      if (value != null) return value;
    } catch (JacksonException e) {
      throw new InputException(
          "the request", "is no such JSON", "docs/explorer-api.md describes it", e);
    }
    throw new InputException("the request", "is empty", "docs/explorer-api.md describes it");
  }

  // ---- routes ----------------------------------------------------------------------------------

  List<Route> routes() {
    return List.of(
        get("/api/session", call -> session()),
        get("/api/definitions", call -> Map.of("definitions", definitions)),
        get("/api/images", this::listed),
        get("/api/runs/{run}/features", this::features),
        get("/api/runs/{run}/features/{sae}/{id}", this::card),
        get("/api/runs/{run}/scatter", this::scatter),
        get("/api/runs/{run}/evaluation", this::evaluation),
        model(false, "/api/runs/{run}/search", "search", this::search),
        get("/api/runs/{run}/images/{image}/{size}", this::jpeg),
        get("/api/runs/{run}/notes", this::listNotes),
        get("/api/runs/{run}/notes.csv", this::csv),
        get("/api/jobs/{job}", call -> jobs.state(text(call, "job"))),
        post("/api/images", this::drop),
        post("/api/runs/{run}/query", this::query),
        model(true, "/api/runs/{run}/selection", "selection", this::selection),
        model(true, "/api/runs/{run}/answers", "answers", this::answers),
        post("/api/runs/{run}/effects", this::effects),
        post("/api/runs/{run}/groups", this::groups),
        post("/api/runs/{run}/spread", this::spread),
        post("/api/runs/{run}/twins", this::twins),
        post("/api/runs/{run}/notes", this::note),
        post("/api/runs/{run}/edits", this::save),
        post("/api/runs/{run}/command", this::command),
        post("/api/jobs/{job}/cancel", call -> jobs.cancel(text(call, "job"))));
  }

  private static Route get(String path, Function<Route.Call, Object> answer) {
    return new Route(false, path, call -> CompletableFuture.completedFuture(answer.apply(call)));
  }

  private static Route post(String path, Function<Route.Call, Object> answer) {
    return new Route(true, path, call -> CompletableFuture.completedFuture(answer.apply(call)));
  }

  /** Work of the model's thread. */
  private Route model(
      boolean writes, String path, String kind, Function<Route.Call, Object> answer) {
    return new Route(
        writes, path, call -> turns.submit(call.client(), kind, () -> answer.apply(call)));
  }

  // ---- parts of a request ----------------------------------------------------------------------

  private Desk desk(Route.Call call) {
    return slots.get(number(call)).desk();
  }

  private int number(Route.Call call) {
    int number = whole(call, "run", 0);
    if (number >= 0 && number < slots.size()) return number;
    throw new InputException("run " + number, "is none", "There are 0 to " + (slots.size() - 1));
  }

  private static String text(Route.Call call, String name) {
    String text = call.part(name);
    if (text != null && !text.isBlank() && text.length() <= LONGEST_TEXT) return text;
    throw new InputException(name, "is missing, or too long", "Give it");
  }

  private static @Nullable String optional(Route.Call call, String name) {
    String text = call.part(name);
    return text == null || text.isBlank() ? null : text(call, name);
  }

  private static int whole(Route.Call call, String name, int otherwise) {
    String text = call.part(name);
    if (text == null) return otherwise;
    if (text.matches("\\d{1,9}")) return Integer.parseInt(text);
    throw new InputException(name, "is no whole number", "Give one from 0");
  }

  // ---- what is there ---------------------------------------------------------------------------

  private Object session() {
    return new Session(
        Versions.CLIPSTEER,
        readOnly,
        images.count(),
        images.factors(),
        slots.stream().map(this::session).toList(),
        FeatureTable.COLUMNS);
  }

  private SessionRun session(RunSlot slot) {
    ExploredRun run = slot.run();
    RunSlot.IndexingState indexing = slot.indexing();
    List<SessionSae> saes = new ArrayList<>();
    for (RunSaes.One one : run.saes().all()) {
      var entry = one.entry();
      saes.add(
          new SessionSae(
              saes.size(),
              one.point().layer(),
              entry.folder(),
              entry.hookPoint(),
              entry.tokens(),
              entry.variant(),
              one.sae().features(),
              entry.explainedVariance(),
              entry.l0(),
              entry.aliveFraction()));
    }
    List<SessionHead> heads = new ArrayList<>();
    run.heads().forEach((name, head) -> heads.add(new SessionHead(name, false, head.words())));
    for (var one : run.pixelProbes()) {
      heads.add(new SessionHead(one.name(), true, one.probe().classes()));
    }
    SessionIndex index = indexing == null ? index(slot.desk()) : null;
    int patch = run.model().vision().config().patch();
    return new SessionRun(
        String.valueOf(run.folder().path().getFileName()),
        run.folder().path().toString(),
        run.model().source().path().toString(),
        saes,
        run.shape().height() / patch,
        run.shape().width() / patch,
        run.shape() != run.model().preprocessing(),
        index != null && slot.desk().texts().areKnown(),
        index == null ? List.of() : slot.desk().texts().words(),
        heads,
        index,
        indexing);
  }

  private static SessionIndex index(Desk desk) {
    IndexFolder.IndexManifest index = desk.search().manifest();
    return new SessionIndex(index.images(), index.source(), index.clearMonosemanticity());
  }

  private Object listed(Route.Call call) {
    String id = optional(call, "id");
    if (id != null) return images.one(id);
    int count = Math.min(MOST_IMAGES, whole(call, "count", 60));
    return images.page(
        optional(call, "label"), optional(call, "text"), whole(call, "from", 0), count);
  }

  private Object features(Route.Call call) {
    Desk desk = desk(call);
    String sae = call.part("sae");
    List<FeatureTable.ColumnRange> ranges = new ArrayList<>();
    String given = call.part("ranges");
    for (String range : given == null || given.isEmpty() ? new String[0] : given.split(",")) {
      String[] parts = range.split(":", -1);
      if (parts.length != 3) {
        throw new InputException("a range", "is none", "Write COLUMN:LOW:HIGH");
      }
      ranges.add(new FeatureTable.ColumnRange(parts[0], real(parts[1]), real(parts[2])));
    }
    String sort = call.part("sort");
    FeatureTable.FeaturePage page =
        desk.table()
            .page(
                new FeatureTable.Wanted(
                    sae == null || sae.isEmpty() ? null : (Integer) desk.sae(whole(call, "sae", 0)),
                    sort == null ? "image_frequency" : sort,
                    !"ascending".equals(call.part("order")),
                    optional(call, "named"),
                    !"0".equals(call.part("alive")),
                    ranges,
                    whole(call, "from", 0),
                    whole(call, "count", 50)));
    int exemplars = Math.min(8, whole(call, "exemplars", 0));
    if (exemplars > 0) addExemplars(desk, page, exemplars);
    return page;
  }

  private void addExemplars(Desk desk, FeatureTable.FeaturePage page, int count) {
    var all = desk.table().exemplarsOf(page, count);
    for (Map<String, @Nullable Object> one : page.features()) {
      one.put(
          "exemplars",
          exemplars(all.getOrDefault(one.get("sae") + ":" + one.get("id"), List.of())));
    }
  }

  private static double real(String text) {
    try {
      return Double.parseDouble(text);
    } catch (NumberFormatException e) {
      throw new InputException("a range", "is not of numbers", "Write COLUMN:LOW:HIGH", e);
    }
  }

  private Object card(Route.Call call) {
    FeatureTable.FeatureView card =
        desk(call).table().card(whole(call, "sae", 0), whole(call, "id", 0));
    // The page asks for images by id.
    for (Map<String, @Nullable Object> one : card.exemplars()) {
      one.put("image", images.id(String.valueOf(one.get("image"))));
    }
    return card;
  }

  private Object scatter(Route.Call call) {
    return desk(call).table().scatter(whole(call, "sae", 0), text(call, "x"), text(call, "y"));
  }

  /** What {@code evaluate} wrote; no SAEs where the run was not evaluated. */
  private Object evaluation(Route.Call call) {
    Path file = slots.get(number(call)).run().folder().evaluation();
    if (!Files.isRegularFile(file)) return Map.of("saes", List.of());
    return JsonFile.tree(file, "Evaluate the run again");
  }

  private Object search(Route.Call call) {
    Desk desk = desk(call);
    int count = Math.min(100, whole(call, "count", 24));
    if (call.part("id") != null) {
      int sae = desk.sae(whole(call, "sae", 0));
      return new FoundFeatures(found(desk, desk.near(sae, whole(call, "id", 0), count)));
    }
    String label = optional(call, "label");
    if (label != null) {
      int colon = label.indexOf(": ");
      if (colon < 0) throw new InputException("label", "is none", "Write FACTOR: VALUE");
      String value = label.substring(colon + 2);
      return new FoundFeatures(
          found(desk, desk.table().byLabel(label.substring(0, colon), value, count)));
    }
    Desk.TextAnswer answer = desk.find(text(call, "text"), count);
    return new FoundText(
        found(desk, answer.features()), answer.standsOut(), answer.percentile(), answer.compared());
  }

  private List<FoundFeature> found(Desk desk, List<FeatureSearch.Hit> hits) {
    var exemplars = desk.table().exemplars(hits, 4);
    List<FoundFeature> all = new ArrayList<>();
    for (FeatureSearch.Hit hit : hits) {
      int sae = desk.table().sae(hit);
      all.add(
          new FoundFeature(
              sae,
              hit.layer(),
              hit.id(),
              hit.score(),
              hit.name(),
              hit.steered(),
              hit.frequency(),
              exemplars(exemplars.getOrDefault(sae + ":" + hit.id(), List.of()))));
    }
    return all;
  }

  private List<ExemplarImage> exemplars(List<Map<String, @Nullable Object>> rows) {
    List<ExemplarImage> all = new ArrayList<>();
    for (Map<String, @Nullable Object> row : rows) {
      Integer patch = row.get("patch") instanceof Number number ? number.intValue() : null;
      double max = row.get("max") instanceof Number number ? number.doubleValue() : 0;
      all.add(new ExemplarImage(images.id(String.valueOf(row.get("image"))), patch, max));
    }
    return all;
  }

  private Object jpeg(Route.Call call) {
    String size = text(call, "size");
    int side = size.equals("small") ? SMALL : LARGE;
    byte[] jpeg = images.jpeg(text(call, "image"), desk(call).run().shape(), side);
    return new Route.Bytes(jpeg, "image/jpeg");
  }

  private Object drop(Route.Call call) {
    String id = images.drop(call.body());
    return new OpenedImage(id, id);
  }

  private Object query(Route.Call call) {
    String sql = body(call, QueryBody.class).sql();
    if (sql == null || sql.isBlank() || sql.length() > LONGEST_QUERY) {
      throw new InputException("the query", "is empty or too long", "Write one SELECT");
    }
    return FeatureQuery.run(IndexFolder.of(desk(call).run().folder()), sql, QUERY);
  }

  // ---- observe and test ------------------------------------------------------------------------

  private void open(Desk desk, String image) {
    if (desk.workbench().isOpen(image)) return;
    desk.workbench().open(image, images.decoded(image));
  }

  private Object selection(Route.Call call) {
    Desk desk = desk(call);
    SelectionBody body = body(call, SelectionBody.class);
    String image = String.valueOf(body.image);
    open(desk, image);
    List<Integer> patches = Objects.requireNonNullElse(body.patches, List.of());
    if (patches.stream().anyMatch(Objects::isNull)) {
      throw new InputException("a patch", "is empty", "Give numbers");
    }
    int count = Math.clamp(Objects.requireNonNullElse(body.count, 8), 1, 40);
    List<FeatureSearch.Hit> hits = desk.workbench().selection(image, patches, BELOW, count);
    var exemplars = desk.table().exemplars(hits, 4);
    List<SelectionFeature> all = new ArrayList<>();
    for (FeatureSearch.Hit hit : hits) {
      int sae = desk.table().sae(hit);
      List<ExemplarImage> own = exemplars(exemplars.getOrDefault(sae + ":" + hit.id(), List.of()));
      double max = own.isEmpty() ? 0 : own.getFirst().max;
      all.add(
          new SelectionFeature(
              sae,
              hit.layer(),
              hit.id(),
              hit.score(),
              hit.name(),
              hit.steered(),
              hit.frequency(),
              max,
              bytes(desk.workbench().activations(image, sae, hit.id()), max),
              own));
    }
    return new Selection(all);
  }

  /** Activations of patches as bytes in base 64: 255 is the largest of the index. */
  private static @Nullable String bytes(float @Nullable [] active, double max) {
    if (active == null || max <= 0) return null;
    byte[] bytes = new byte[active.length];
    for (int k = 0; k < bytes.length; k++) {
      bytes[k] = (byte) Math.round(255 * Math.clamp(active[k] / max, 0, 1));
    }
    return Base64.getEncoder().encodeToString(bytes);
  }

  private Object answers(Route.Call call) {
    Desk desk = desk(call);
    PageEdit edit = body(call, PageEdit.class).checked();
    open(desk, edit.image());
    return new PageAnswers(desk.workbench().answers(edit));
  }

  private static PageEdit checked(@Nullable PageEdit edit) {
    if (edit != null) return edit.checked();
    throw new InputException("the edit", "is missing", "docs/explorer-api.md describes it");
  }

  private List<String> some(@Nullable List<String> ids) {
    if (ids == null || ids.isEmpty() || ids.size() > MOST_IMAGES || ids.contains(null)) {
      throw new InputException("the images", "are none, or too many", "Give 1 to " + MOST_IMAGES);
    }
    return List.copyOf(new LinkedHashSet<>(ids));
  }

  private Object effects(Route.Call call) {
    Desk desk = desk(call);
    EffectBody body = body(call, EffectBody.class);
    PageEdit edit = checked(body.edit);
    var job =
        new EffectJob(
            desk.workbench(),
            images,
            edit,
            String.valueOf(body.head),
            String.valueOf(body.name),
            body.seed == null ? 1 : body.seed);
    List<String> some = some(body.images);
    if (some.size() < 2) throw new InputException("one image", "has no interval", "Take more");
    return jobs.start(some, job::add, job::result);
  }

  private Object groups(Route.Call call) {
    Desk desk = desk(call);
    GroupsBody body = body(call, GroupsBody.class);
    List<String> first = some(body.first);
    Set<String> all = new LinkedHashSet<>(first);
    for (String image : some(body.second)) {
      if (all.add(image)) continue;
      throw new InputException(
          images.name(image), "is in both sets", "Choose sets without common images");
    }
    requireFits(desk, all.size());
    var job = new GroupsJob(desk, images, first);
    return jobs.start(List.copyOf(all), job::add, job::result);
  }

  private Object spread(Route.Call call) {
    Desk desk = desk(call);
    SpreadBody body = body(call, SpreadBody.class);
    int sae = feature(desk, body.sae, body.id);
    long seed = body.seed == null ? 1 : body.seed;
    var job = new SpreadJob(desk.workbench(), images, sae, body.id, seed);
    return jobs.start(some(body.images), job::add, job::result);
  }

  private Object twins(Route.Call call) {
    Desk desk = desk(call);
    TwinsBody body = body(call, TwinsBody.class);
    int sae = feature(desk, body.sae, body.id);
    if (body.other < 0 || body.other >= slots.size()) {
      throw new InputException("run " + body.other, "is none", "Reload the page");
    }
    Desk other = slots.get(body.other).desk();
    List<String> some = some(body.images);
    if (some.size() < 4) throw new InputException("the images", "are too few", "Take 4 or more");
    requireFits(other, some.size());
    var job = new TwinsJob(desk, sae, body.id, other, images);
    return jobs.start(some, job::add, job::result);
  }

  /** Refuses to keep the largest activations of all features on too many images. */
  private static void requireFits(Desk desk, int images) {
    long features = desk.run().saes().all().stream().mapToLong(one -> one.sae().features()).sum();
    if (features * images <= MOST_VALUES) return;
    throw new InputException(
        "the images",
        "are too many for " + features + " features",
        "Take " + MOST_VALUES / features + " in all");
  }

  /** The number of a feature's SAE. */
  private static int feature(Desk desk, int number, int id) {
    int sae = desk.sae(number);
    if (id >= 0 && id < desk.run().saes().all().get(sae).sae().features()) return sae;
    throw new InputException("feature " + id, "is none", "Reload the page");
  }

  // ---- what is written -------------------------------------------------------------------------

  private void requireWritable() {
    if (!readOnly) return;
    throw new InputException("this session", "is read-only", "Start it without --read-only");
  }

  private Object listNotes(Route.Call call) {
    return Map.of("notes", notes.get(number(call)).all());
  }

  private Object csv(Route.Call call) {
    byte[] bytes = notes.get(number(call)).csv().getBytes(StandardCharsets.UTF_8);
    return new Route.Bytes(bytes, "text/csv; charset=utf-8");
  }

  private Object note(Route.Call call) {
    requireWritable();
    NoteBody body = body(call, NoteBody.class);
    Desk desk = desk(call);
    String sae = desk.table().group(desk.sae(body.sae)).sae();
    return notes.get(number(call)).add(sae, body.id, body.note, body.tags);
  }

  private Object save(Route.Call call) {
    requireWritable();
    SaveBody body = body(call, SaveBody.class);
    PageEdit edit = checked(body.edit);
    return new PageCommands(desk(call).run()).save(edit, String.valueOf(body.name));
  }

  private Object command(Route.Call call) {
    CommandBody body = body(call, CommandBody.class);
    PageEdit edit = checked(body.edit);
    String image = images.file(edit.image());
    ExploredRun run = desk(call).run();
    return new CommandLine(
        new PageCommands(run).experiment(edit, image, run.probe(String.valueOf(body.head))));
  }
}
