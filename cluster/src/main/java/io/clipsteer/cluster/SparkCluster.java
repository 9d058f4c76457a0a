// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cluster;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.engine.Engine;
import io.clipsteer.lab.block.BlockCluster;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkException;
import org.apache.spark.api.java.JavaFutureAction;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.util.LongAccumulator;
import org.jspecify.annotations.Nullable;

/** Computes blocks as tasks of Apache Spark, one a block. */
public final class SparkCluster implements BlockCluster {
  /** How often progress is read. */
  private static final long TICK_MILLISECONDS = 200;

  /** A block's failure inside Spark's own message. */
  private static final Pattern OWN = Pattern.compile("InputException: ([^\\n]*)");

  private static final String SCALA = "2.13";

  private static final String PARTITIONS = "spark.default.parallelism";

  /** Called by the service loader. */
  public SparkCluster() {}

  @Override
  public ClusterSession open(ClusterSettings settings, List<String> arguments) {
    try {
      var spark = new JavaSparkContext(conf(settings, "clipsteer " + arguments.getFirst()));
      spark.sc().uiWebUrl().foreach(SparkCluster::told);
      return new SparkSession(spark, settings, arguments);
    } catch (Exception e) { // Spark throws checked exceptions that it does not declare.
      throw failure(e);
    }
  }

  @Override
  public ClusterReport survey(ClusterSettings settings, @Nullable Path marked) {
    try (var spark = new JavaSparkContext(conf(settings, "clipsteer cluster doctor"))) {
      spark.sc().uiWebUrl().foreach(SparkCluster::told);
      int executors = ExecutorSurvey.registered(spark, settings.master());
      return ExecutorSurvey.ask(spark, executors, settings.threads(), marked);
    } catch (InputException e) {
      throw e;
    } catch (Exception e) {
      throw failure(e);
    }
  }

  /** A Spark application. Its executors are asked for their processors once. */
  private static final class SparkSession implements ClusterSession {
    private final JavaSparkContext spark;
    private final ClusterSettings settings;
    private final List<String> arguments;
    private @Nullable String processor;

    SparkSession(JavaSparkContext spark, ClusterSettings settings, List<String> arguments) {
      this.spark = spark;
      this.settings = settings;
      this.arguments = List.copyOf(arguments);
    }

    @Override
    public long compute(
        String stage, List<Integer> blocks, long count, String unit, Progress progress) {
      if (blocks.isEmpty()) return 0;
      try (var task = progress.start(stage + " on the cluster", count, unit)) {
        LongAccumulator done = spark.sc().longAccumulator(stage);
        if (processor == null && !settings.mixed()) processor = processor(spark, done, task);
        var one = new BlockTask(arguments, stage, settings.threads(), processor, done);
        String partitions = settings.properties().get(PARTITIONS);
        int slices = partitions == null ? blocks.size() : Integer.parseInt(partitions);
        await(spark.parallelize(blocks, slices).foreachAsync(one), done, task);
        return done.value();
      } catch (InputException e) {
        throw e;
      } catch (Exception e) {
        throw failure(e);
      }
    }

    @Override
    public void close() {
      BlockTask.close();
      spark.close();
    }
  }

  private static @Nullable Object told(String address) {
    System.err.println("Spark's page: " + address);
    return null;
  }

  /** Every executor's environment is this process's: same jars, folder, threads, options. */
  private static SparkConf conf(ClusterSettings settings, String name) {
    SparkConf conf = new SparkConf(false).setMaster(settings.master()).setAppName(name);
    conf.set("spark.task.cpus", "" + settings.threads());
    conf.set("spark.executor.extraClassPath", System.getProperty("java.class.path"));
    conf.set(
        "spark.executor.extraJavaOptions",
        "--enable-native-access=ALL-UNNAMED --sun-misc-unsafe-memory-access=allow"
            + " --add-modules=jdk.incubator.vector -Dorg.bytedeco.javacpp.maxBytes=0"
            + " -Dorg.bytedeco.javacpp.maxPhysicalBytes=0 -Djava.awt.headless=true"
            + " -Dai.djl.offline=true \"-Duser.dir="
            + System.getProperty("user.dir")
            + "\"");
    Map<String, String> environment = new TreeMap<>();
    environment.put("JAVA_HOME", System.getProperty("java.home"));
    environment.put("OMP_NUM_THREADS", "" + settings.threads());
    // Else a worker searches Spark's own build for it.
    environment.put("SPARK_SCALA_VERSION", SCALA);
    for (String passed :
        List.of("LC_ALL", "MALLOC_ARENA_MAX", "OMP_WAIT_POLICY", "OPENBLAS_THREAD_TIMEOUT")) {
      String value = System.getenv(passed);
      if (value != null) environment.put(passed, value);
    }
    for (String passed : HadoopPaths.ENVIRONMENT) {
      String value = System.getenv(passed);
      if (value != null) environment.put(passed, value);
    }
    environment.forEach(conf::setExecutorEnv);
    settings.properties().forEach(conf::set);
    return conf;
  }

  /** The kind of processor of all executors that answer at the start. */
  private static String processor(
      JavaSparkContext spark, LongAccumulator images, Progress.Task task) {
    int tasks = 4 * Math.max(1, spark.defaultParallelism());
    var kinds =
        await(
            spark
                .parallelize(IntStream.range(0, tasks).boxed().toList(), tasks)
                .map(
                    one -> {
                      Thread.sleep(50); // Else one executor takes them all.
                      return Engine.cpuCapability();
                    })
                .collectAsync(),
            images,
            task);
    List<String> different = kinds.stream().distinct().sorted().toList();
    if (different.size() > 1) throw BlockTask.differs(different);
    return different.getFirst();
  }

  private static <T> T await(
      JavaFutureAction<T> action, LongAccumulator images, Progress.Task task) {
    long seen = images.value();
    try {
      while (!action.isDone()) {
        Thread.sleep(TICK_MILLISECONDS);
        long now = images.value();
        if (now > seen) task.advance(now - seen, 0);
        seen = now;
      }
      T result = action.get();
      if (images.value() > seen) task.advance(images.value() - seen, 0);
      return result;
    } catch (InterruptedException e) {
      action.cancel(true);
      Thread.currentThread().interrupt();
      throw new InputException("the cluster's work", "was interrupted", "Resume with --resume", e);
    } catch (ExecutionException e) {
      throw failure(e.getCause() == null ? e : e.getCause());
    }
  }

  /** A block's own failure as it would be told on one machine, or Spark's first line. */
  static InputException failure(Throwable e) {
    String message = String.valueOf(e.getMessage());
    Matcher own = OWN.matcher(message);
    if (own.find()) return new InputException(own.group(1));
    String what = e instanceof SparkException ? message.lines().findFirst().orElse("") : "" + e;
    return new InputException(
        "the cluster", what, "Mend it, then give the same command with --resume", e);
  }
}
