// SPDX-License-Identifier: Apache-2.0
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;

/**
 * Seconds of Spark for a task that does nothing, on one executor: {@code javac -d DIR -cp JARS},
 * then {@code java @cluster/java.options -cp DIR:JARS SchedulerDelay MASTER TASKS ROUNDS}, JARS
 * those of {@code cluster/target/dist}. Prints a line a round.
 */
final class SchedulerDelay {
  private SchedulerDelay() {}

  /** Runs. */
  public static void main(String[] args) {
    SparkConf conf = new SparkConf(false).setMaster(args[0]).setAppName("scheduler");
    conf.set("spark.executor.extraClassPath", System.getProperty("java.class.path"));
    conf.set("spark.ui.enabled", "false");
    conf.setExecutorEnv("SPARK_SCALA_VERSION", "2.13");
    int tasks = Integer.parseInt(args[1]);
    List<Integer> numbers = new ArrayList<>(IntStream.range(0, tasks).boxed().toList());
    try (var spark = new JavaSparkContext(conf)) {
      for (int round = 0; round < Integer.parseInt(args[2]); round++) {
        long begin = System.nanoTime();
        spark.parallelize(numbers, tasks).foreach(number -> {});
        double each = (System.nanoTime() - begin) * 1e-9 / tasks;
        System.out.printf("%s,%d,%d,%.2f%n", args[0], tasks, round, each * 1e3);
      }
    }
  }
}
