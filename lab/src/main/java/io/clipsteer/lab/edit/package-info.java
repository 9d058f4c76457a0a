// SPDX-License-Identifier: Apache-2.0

/** Edits on disk, and their export. */
@org.jspecify.annotations.NullMarked
package io.clipsteer.lab.edit;
