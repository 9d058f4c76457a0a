// SPDX-License-Identifier: Apache-2.0
/** Blocks of images on Apache Spark. Nothing else imports it. */
@NullMarked
package io.clipsteer.cluster;

import org.jspecify.annotations.NullMarked;
