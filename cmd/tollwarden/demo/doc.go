// Package demo plays a recorded attack against the real daemon and a small PBX that
// speaks AMI, and checks that it is stopped.
package demo
