// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.block;

import java.io.Serializable;

/**
 * What a process of a cluster says of itself.
 *
 * @param libtorch version; empty where it cannot be loaded
 * @param cpu kind of processor, as libtorch uses it; results depend on it in their last bits
 * @param threads of a tensor operation
 * @param heapBytes most that Java may take; tensors come beside it
 * @param memoryBytes of the machine
 * @param clock milliseconds since 1970
 * @param fault why it cannot compute; empty where it can
 * @param folderFault why it cannot use the folder; empty where it can, or where none was named
 */
public record ExecutorReport(
    String host,
    long process,
    String java,
    String libtorch,
    String cpu,
    int processors,
    int threads,
    int gpus,
    long heapBytes,
    long memoryBytes,
    long clock,
    String fault,
    String folderFault)
    implements Serializable {}
